//! What the runs of a project in one segment add up to, kept with the digest.

use serde::{Deserialize, Serialize};

use super::pack;
use crate::embedded::stats::Sum;

/// Sums over all runs, and over roots with what their traces amount to.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) runs: Sum,
    pub(crate) roots: Sum,
}

pub(super) fn pack(totals: Totals) -> Vec<u8> {
    let Totals { runs, roots } = totals;
    let small = Totals { runs: runs.condense(), roots: roots.condense() };
    pack::pack(&serde_json::to_vec(&small).expect("sums are plain data"))
}

/// `None` where they cannot be read: the runs are added up anew.
pub(crate) fn unpack(packed: &[u8]) -> Option<Totals> {
    serde_json::from_slice(&pack::unpack(packed)?).ok()
}
