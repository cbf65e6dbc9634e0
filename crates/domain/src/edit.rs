//! What people change of a report's categories: kept beside the report, which
//! stays as it was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Changes by id of the category in the report as it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edits(pub BTreeMap<String, CategoryEdit>);

/// What is changed of one category; what is absent stays as it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoryEdit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// It is not shown; its threads count as "Other".
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_hidden: bool,
    /// Its threads, or its subcategories, belong to this category of the same level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
}

impl CategoryEdit {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether threads move.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.is_hidden || self.merged_into.is_some()
    }
}
