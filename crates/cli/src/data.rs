//! Opens what a command works on: stores, price tables, files of categories.

use std::path::Path;

use anyhow::Context as _;
use assay_domain::PriceTable;
use assay_domain::report::PredefinedCategory;
use assay_store::{Catalog, EmbeddedStore, Project, block_on};

/// Opens a store for writing, creating it if need be.
pub(crate) fn open(dir: &Path, prices: Option<&Path>) -> anyhow::Result<EmbeddedStore> {
    Ok(EmbeddedStore::open(dir, price_table(prices)?)?)
}

/// Opens a store that must exist, for reading.
pub(crate) fn open_existing(dir: &Path) -> anyhow::Result<EmbeddedStore> {
    anyhow::ensure!(
        dir.is_dir(),
        "there is no store at {dir:?}; `assay import FILE --project NAME --data DIR` makes one"
    );
    Ok(EmbeddedStore::open_read_only(dir)?)
}

/// A store that goes away with the process.
pub(crate) fn open_temporary(prices: Option<&Path>) -> anyhow::Result<EmbeddedStore> {
    Ok(EmbeddedStore::open_temporary(price_table(prices)?)?)
}

/// The project of this name; the error lists those there are.
pub(crate) fn project(store: &EmbeddedStore, name: &str) -> anyhow::Result<Project> {
    if let Some(project) = block_on(store.project(name))? {
        return Ok(project);
    }
    let names: Vec<String> = block_on(store.projects())?.into_iter().map(|project| project.name).collect();
    if names.is_empty() {
        anyhow::bail!("there is no project {name:?}; the store is empty");
    }
    anyhow::bail!("there is no project {name:?}; there are: {}", names.join(", "))
}

/// The built-in prices, after those of a file.
pub(crate) fn price_table(file: Option<&Path>) -> anyhow::Result<PriceTable> {
    let builtin = assay_wire::prices::builtin();
    let Some(file) = file else { return Ok(builtin) };
    let text = fs_err::read_to_string(file)?;
    let mut table =
        assay_wire::prices::parse(&text).with_context(|| format!("cannot read price table {file:?}"))?;
    // Of entries in force since the same moment the first wins: the user's.
    table.prices.extend(builtin.prices);
    Ok(table)
}

/// Top categories from a file.
pub(crate) fn categories(file: &Path) -> anyhow::Result<Vec<PredefinedCategory>> {
    let text = fs_err::read_to_string(file)?;
    crate::args::parse_categories(&text).with_context(|| format!("cannot read categories from {file:?}"))
}
