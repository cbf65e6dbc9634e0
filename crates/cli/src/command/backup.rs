//! `assay backup` and `assay restore`: a copy of a store, and back.

use assay_server::backup as copy;

use crate::args::{Backup, Restore};
use crate::{Outcome, data, output};

pub(crate) fn backup(args: &Backup) -> anyhow::Result<Outcome> {
    let store = data::open_existing(&args.data.data)?;
    let bytes = copy::backup(&store, &args.to)?;
    output::note(&format!(
        "{bytes} bytes in {}; it holds everything, also the key of secrets: keep it as safe as the store",
        args.to.display()
    ));
    Ok(Outcome::Done)
}

pub(crate) fn restore(args: &Restore) -> anyhow::Result<Outcome> {
    let bytes = copy::restore(&args.from, &args.data.data)?;
    output::note(&format!("{bytes} bytes restored; the store is at {}", args.data.data.display()));
    Ok(Outcome::Done)
}
