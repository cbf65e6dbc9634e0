//! Roles, and what each may do.
//!
//! The words and the table are those of the workspaces that clients know
//! (`projects:read`, `runs:delete`, ...); only areas that exist here are listed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also sends traces, gives feedback, changes datasets, queues and rules;
    /// deletes neither runs nor projects nor datasets, changes no settings.
    Editor,
    /// Everything.
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// Whether the role includes a permission.
    pub(crate) fn may(self, Permission(area, action): Permission) -> bool {
        use Action::{Create, Delete, Manage, Read, Share, Update};
        use Area::{Datasets, Feedback, Projects, Queues, Rules, Runs, Workspaces};
        match (self, area, action) {
            (Self::Admin, _, _) | (_, _, Read) => true,
            (Self::Viewer, _, _) => false,
            (Self::Editor, Projects, Update) => true,
            (Self::Editor, Runs, Create | Share) => true,
            (Self::Editor, Rules | Feedback, Create | Update | Delete) => true,
            (Self::Editor, Queues | Datasets, Create | Update) => true,
            (
                Self::Editor,
                Projects | Runs | Rules | Feedback | Queues | Datasets,
                Create | Delete | Share | Update,
            ) => false,
            (Self::Editor, Workspaces, _) | (Self::Editor, _, Manage) => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("no role {text:?}; there are admin, editor and viewer"))
    }
}

/// What a permission is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Area {
    Projects,
    Runs,
    Rules,
    Feedback,
    Queues,
    Datasets,
    Workspaces,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Create,
    Read,
    Update,
    Delete,
    Share,
    /// Changes how the workspace behaves: keys, settings, prices, secrets.
    Manage,
}

/// Leave to do something; shown as clients know it: `runs:create`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Permission(pub(crate) Area, pub(crate) Action);

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area = match self.0 {
            Area::Projects => "projects",
            Area::Runs => "runs",
            Area::Rules => "rules",
            Area::Feedback => "feedback",
            Area::Queues => "annotation-queues",
            Area::Datasets => "datasets",
            Area::Workspaces => "workspaces",
        };
        let action = match self.1 {
            Action::Create => "create",
            Action::Read => "read",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::Share => "share",
            Action::Manage => "manage",
        };
        write!(f, "{area}:{action}")
    }
}
