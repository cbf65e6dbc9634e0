//! Writes a report to a folder: page, text, JSON and tables.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use assay_domain::{Report, ThreadId};
use assay_store::{Catalog, EmbeddedStore, Project, Runs, block_on};
use assay_ui::{Conversations, Spoken};

/// Conversations as the page asks for them, one at a time.
struct Stored<'a> {
    store: &'a EmbeddedStore,
    project: Option<Project>,
}

impl Conversations for Stored<'_> {
    fn spoken(&self, thread: &ThreadId) -> io::Result<Option<Spoken>> {
        let Some(project) = &self.project else { return Ok(None) };
        let threads = block_on(self.store.read_threads(project.id, std::slice::from_ref(thread)))
            .map_err(io::Error::other)?;
        Ok(threads.first().map(|thread| Spoken::new(assay_transcript::of_thread(thread), thread)))
    }
}

/// Whether files can be written to a folder, which is made where it is not there.
pub(crate) fn check(out: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(out)?;
    tempfile::tempfile_in(out).with_context(|| format!("cannot write to {}", out.display()))?;
    Ok(())
}

/// Writes all files of a report and returns their paths. A file is complete or
/// not there: it is written beside its place and then moved. What is in them
/// follows from the report and its conversations, wherever the store is.
pub(crate) fn write(report: &Report, store: &EmbeddedStore, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs_err::create_dir_all(out)?;
    let conversations = Stored { store, project: block_on(store.project(&report.project))? };
    let write = |name: &str, fill: &dyn Fn(&mut dyn std::io::Write) -> anyhow::Result<()>| {
        let mut file = tempfile::Builder::new().prefix(".assay-").tempfile_in(out)?;
        let mut buffer = BufWriter::new(file.as_file_mut());
        fill(&mut buffer)?;
        buffer.into_inner().map_err(|error| error.into_error())?;
        set_readable(file.path())?;
        let path = out.join(name);
        file.persist(&path)?;
        anyhow::Ok(path)
    };
    Ok(vec![
        write("report.html", &|file| Ok(assay_ui::html(report, &conversations, file)?))?,
        write("report.md", &|file| Ok(file.write_all(assay_ui::markdown(report).as_bytes())?))?,
        write("report.json", &|file| Ok(file.write_all(assay_ui::json(report).as_bytes())?))?,
        write("assignments.csv", &|file| Ok(assay_ui::assignments_csv(report, file)?))?,
        write("assignments.jsonl", &|file| Ok(assay_ui::assignments_jsonl(report, file)?))?,
    ])
}

/// Temporary files are private; a report is an ordinary file.
#[cfg(unix)]
fn set_readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_readable(_: &Path) -> std::io::Result<()> {
    Ok(())
}
