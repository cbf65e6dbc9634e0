//! Identifiers. Each kind is a type of its own, so that a trace id cannot be
//! passed where a run id is meant.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id that a foreign, non-UUID `name` always maps to: a version 5 UUID (RFC 9562).
            #[must_use]
            pub fn from_name(name: &str) -> Self {
                Self(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }
    };
}

/// Under this namespace every name that is not a UUID gets its UUID.
const NAMESPACE: Uuid = Uuid::from_u128(0x6173_7361_792e_4000_8000_6e61_6d65_7370);

uuid_id!(
    /// A project: where runs are collected.
    ProjectId
);
uuid_id!(
    /// A run: one step of an agent.
    RunId
);
uuid_id!(
    /// A trace: equal to the id of its root run.
    TraceId
);
uuid_id!(
    /// One feedback record.
    FeedbackId
);
uuid_id!(
    /// One report.
    ReportId
);

/// A thread: the value its traces carry as thread key, or the trace id where they carry none.
/// Unique within a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Default)]
#[serde(transparent)]
pub struct ThreadId(pub String);

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for ThreadId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<RunId> for TraceId {
    fn from(run: RunId) -> Self {
        Self(run.0)
    }
}

impl From<TraceId> for RunId {
    fn from(trace: TraceId) -> Self {
        Self(trace.0)
    }
}
