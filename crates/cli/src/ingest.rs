//! Files into a project: decodes on one thread while the store writes on another.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use anyhow::Context as _;
use assay_server::{Admission, Config};
use assay_store::{Appended, Batch, EmbeddedStore, Runs, block_on};
use assay_wire::reader::Limit;
use assay_wire::{Format, Import, Reader, Rejected};
use chrono::Utc;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::args::{self, Input};
use crate::command::serve::of_file;
use crate::progress::Bars;
use crate::{Outcome, cancel, output, stdin};

/// Rejected records that are listed; the others are counted.
const LISTED: usize = 10;
/// Chunks decoded ahead of the store.
const AHEAD: usize = 2;

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) appended: Appended,
    pub(crate) repaired: usize,
    pub(crate) skipped: usize,
    /// Runs that a policy kept out, and values that one took out.
    pub(crate) dropped: usize,
    pub(crate) redacted: u64,
    /// The first few, in words.
    listed: Vec<String>,
}

impl Tally {
    pub(crate) fn outcome(&self) -> Outcome {
        if self.skipped > 0 || self.appended.runs_of_other_projects > 0 {
            Outcome::DoneWithSkips
        } else {
            Outcome::Done
        }
    }

    /// Whether there is more to say than that it worked.
    pub(crate) fn has_notes(&self) -> bool {
        let by_policies = self.dropped > 0 || self.redacted > 0;
        let is_elsewhere = self.appended.runs_of_other_projects > 0;
        let is_damaged = self.skipped > 0 || self.repaired > 0 || self.appended.conflicting_runs > 0;
        is_damaged || is_elsewhere || by_policies
    }

    /// What happened, in sentences.
    pub(crate) fn describe(&self, project: &str) -> String {
        let Appended { new_runs, changed_runs, unchanged_runs, conflicting_runs, .. } = self.appended;
        let feedback =
            self.appended.new_feedback + self.appended.changed_feedback + self.appended.unchanged_feedback;
        let mut lines = vec![format!(
            "project {project:?}: {new_runs} new, {changed_runs} changed and {unchanged_runs} unchanged runs, {feedback} feedback"
        )];
        if self.appended.runs_of_other_projects > 0 {
            lines.push(format!(
                "{} runs are in another project already and stay there: a run is in one project only",
                self.appended.runs_of_other_projects
            ));
        }
        if conflicting_runs > 0 {
            lines.push(format!(
                "{conflicting_runs} runs were given twice with different content; one of both was kept"
            ));
        }
        if self.dropped > 0 {
            lines.push(format!("{} runs were kept out by a policy", self.dropped));
        }
        if self.redacted > 0 {
            lines.push(format!("{} values were redacted", self.redacted));
        }
        if self.repaired > 0 {
            lines.push(format!("{} records had damaged text and were mended", self.repaired));
        }
        if self.skipped > 0 {
            lines.push(format!("skipped {} records that could not be read:", self.skipped));
            lines.extend(self.listed.iter().map(|reason| format!("  {reason}")));
            if self.skipped > self.listed.len() {
                lines.push(format!("  and {} more", self.skipped - self.listed.len()));
            }
        }
        output::plain(&lines.join("\n"))
    }

    fn skip(&mut self, rejected: Vec<Rejected>) {
        self.skipped += rejected.len();
        let room = LISTED - self.listed.len();
        self.listed
            .extend(rejected.into_iter().take(room).map(|one| format!("{}: {}", one.location, one.reason)));
    }
}

/// Reads all files of an input into a project, as far as the policies of the
/// store and of the configuration file let them in.
///
/// # Errors
/// Where a policy cannot be used, a file cannot be opened, nothing of a file can be read, the store
/// fails, or somebody pressed Ctrl-C. What was stored until then stays, unless
/// the store is a temporary one.
pub(crate) fn files(
    store: &EmbeddedStore,
    project: &str,
    input: &Input,
    bars: &Bars,
) -> anyhow::Result<Tally> {
    let files = expand(&input.files)?;
    let total: u64 = files.iter().map(Source::size).sum();
    bars.start("importing", total, true);
    let door = Door::open(store, input.config.as_deref())?;
    let mut import = Import::of(project);
    let mut tally = Tally::default();
    let read = Arc::new(AtomicU64::new(0));
    let mut understood = 0;
    for file in files {
        understood += one(&door, project, &file, input.format, &mut import, &mut tally, &read, bars)?;
    }
    if understood == 0 {
        anyhow::bail!("nothing that was given could be read; {}", tally.listed.join("; "));
    }
    Ok(tally)
}

/// The way into a store: past its policies.
struct Door<'a> {
    store: &'a EmbeddedStore,
    admission: Admission,
    /// Redaction works on threads of its own.
    runtime: Runtime,
}

impl<'a> Door<'a> {
    fn open(store: &'a EmbeddedStore, config: Option<&Path>) -> anyhow::Result<Self> {
        let config = match config {
            Some(file) => of_file(Some(file), BTreeMap::new())?.server,
            None => Config::default(),
        };
        let admission = Admission::new(store.clone(), config.ingest, config.projects, Utc::now());
        Ok(Self { store, admission, runtime: Builder::new_current_thread().build()? })
    }

    fn take(&self, batch: Batch, tally: &mut Tally) -> anyhow::Result<()> {
        let admitted = self.runtime.block_on(self.admission.admit(batch, Utc::now()))?;
        tally.dropped += admitted.dropped();
        tally.redacted += admitted.redacted.0.values().sum::<u64>();
        tally.appended += block_on(self.store.append(admitted.batch))?;
        Ok(())
    }
}

/// A file or standard input.
enum Source {
    File(PathBuf),
    /// What a folder holds besides traces is skipped.
    Found(PathBuf),
    Stdin,
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Found(path) => path.to_string_lossy().into_owned(),
            Self::Stdin => "<stdin>".to_owned(),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::File(path) | Self::Found(path) => {
                fs_err::metadata(path).map_or(0, |metadata| metadata.len())
            }
            Self::Stdin => 0,
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::File(path) | Self::Found(path) => Ok(Box::new(fs_err::File::open(path)?)),
            Self::Stdin => Ok(Box::new(stdin::open()?)),
        }
    }
}

/// Counts the bytes that were read, for the progress bar.
struct Counted {
    inner: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[expect(clippy::too_many_arguments, reason = "the state of one import, taken apart for the two threads")]
fn one(
    door: &Door<'_>,
    project: &str,
    source: &Source,
    format: Option<args::Format>,
    import: &mut Import,
    tally: &mut Tally,
    count: &Arc<AtomicU64>,
    bars: &Bars,
) -> anyhow::Result<usize> {
    let name = source.name();
    let input = Counted { inner: source.open()?, count: Arc::clone(count) };
    // It looks at the first bytes, which may be long in coming.
    let reader = Reader::new(input, name.clone(), format.map(wire_format));
    go_on(door.store, &name)?;
    let mut reader = reader?;
    let mut understood = 0_usize;
    let mut first_refusal = None;
    // Tells the store which records are of one file.
    let of_this_file = Some(Uuid::new_v4());
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let (send, receive) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || {
            loop {
                let chunk = reader.next_chunk(import, Limit::default());
                let is_last = !matches!(chunk, Ok(Some(_)));
                // The receiver is gone once the store failed or somebody asked to stop.
                if send.send(chunk).is_err() || is_last {
                    return;
                }
            }
        });
        for chunk in receive {
            // A reader that was interrupted says so by an error.
            go_on(door.store, &name)?;
            let Some(mut decoded) = chunk? else { break };
            // The command names the project; what a record says of it does not count.
            decoded.patches.iter_mut().for_each(|patch| patch.project_name = None);
            understood += decoded.patches.len() + decoded.feedback.len();
            if first_refusal.is_none() {
                first_refusal = decoded.rejected.first().cloned();
            }
            tally.repaired += decoded.repaired;
            tally.skip(decoded.rejected);
            let batch = Batch {
                project: project.to_owned(),
                patches: decoded.patches,
                feedback: decoded.feedback,
                import: of_this_file,
                ..Batch::default()
            };
            door.take(batch, tally)?;
            bars.set(count.load(Ordering::Relaxed));
        }
        Ok(())
    })?;
    if understood == 0 && !matches!(source, Source::Found(_)) {
        match first_refusal {
            Some(refusal) => {
                anyhow::bail!("nothing in {name} could be read; {}: {}", refusal.location, refusal.reason)
            }
            None => anyhow::bail!("{name} is empty"),
        }
    }
    Ok(understood)
}

/// Fails once somebody pressed Ctrl-C, and says what becomes of what was imported.
fn go_on(store: &EmbeddedStore, name: &str) -> anyhow::Result<()> {
    let fate = if store.is_temporary() {
        "nothing of it is kept, as there is no --data; repeat the command to start again"
    } else {
        "what was imported stays, repeat the command to go on"
    };
    anyhow::ensure!(!cancel::is_asked(), "stopped while importing {name}; {fate}");
    Ok(())
}

fn wire_format(format: args::Format) -> Format {
    match format {
        args::Format::Chat => Format::Chat,
        args::Format::Langsmith => Format::LangSmithRuns,
        args::Format::LangsmithFeedback => Format::LangSmithFeedback,
        args::Format::OtlpJson => Format::OtlpJson,
        args::Format::OtlpProtobuf => Format::OtlpProtobuf,
    }
}

/// The files behind names, folders and patterns, in the order given; inside
/// folders and patterns by path.
fn expand(names: &[String]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for name in names {
        let path = Path::new(name);
        if name == "-" {
            sources.push(Source::Stdin);
        } else if path.is_dir() {
            let mut inside = Vec::new();
            walk(path, &mut inside)?;
            anyhow::ensure!(!inside.is_empty(), "folder {path:?} holds no files");
            sources.extend(inside.into_iter().map(Source::Found));
        } else if path.exists() || !name.contains(['*', '?', '[']) {
            anyhow::ensure!(path.try_exists().unwrap_or(true), "there is no file or folder {path:?}");
            fs_err::metadata(path)?;
            sources.push(Source::File(path.to_owned()));
        } else {
            let found = glob::glob(name).with_context(|| format!("pattern {name:?}"))?;
            let mut files: Vec<PathBuf> = found.collect::<Result<_, _>>()?;
            files.retain(|file| file.is_file());
            files.sort();
            anyhow::ensure!(!files.is_empty(), "no file matches {name:?}");
            sources.extend(files.into_iter().map(Source::File));
        }
    }
    Ok(sources)
}

/// All files below a folder by path; hidden ones and links out of it are left alone.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut entries: Vec<_> = fs_err::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let kind = entry.file_type()?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}
