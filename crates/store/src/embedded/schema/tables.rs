//! The tables of the present format.
//!
//! Narrow columns are for selecting, sorting and counting; `payloads` holds
//! the truth about a run (see `format`) and everything narrow can be made
//! from it again. Times are microseconds since 1970, money is exact decimals
//! as text. Keys of runs grow and are never given twice, so that
//! `indexed_up_to` can say which runs the full-text index has seen; `stale`
//! holds those that changed since.

pub(super) const SETTINGS: &str = "
CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO settings VALUES ('indexed_up_to', 0);
";

pub(super) const PROJECTS: &str = "
CREATE TABLE projects (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER,
    reference_dataset BLOB,
    details TEXT,                    -- JSON object; NULL where empty
    runs INTEGER NOT NULL DEFAULT 0, -- what it holds, kept up to date with its traces
    traces INTEGER NOT NULL DEFAULT 0,
    threads INTEGER NOT NULL DEFAULT 0,
    first_activity INTEGER,
    last_activity INTEGER
);
";

pub(super) const TRACES: &str = "
CREATE TABLE traces (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    project INTEGER NOT NULL,
    thread TEXT NOT NULL,
    is_threaded INTEGER NOT NULL,    -- whether a run carries a thread key
    root INTEGER NOT NULL,           -- key of the run that stands for the trace
    runs INTEGER NOT NULL,
    start INTEGER,
    end INTEGER,
    activity INTEGER NOT NULL,       -- end, else start, else the least integer
    latency INTEGER,                 -- of the root, microseconds
    status TEXT NOT NULL,            -- of the root
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    input_cost TEXT,                 -- NULL where no run has a known cost
    output_cost TEXT,
    total_cost TEXT
);
CREATE UNIQUE INDEX traces_by_id ON traces (id, project);
CREATE INDEX traces_by_thread ON traces (project, thread, activity);
CREATE INDEX traces_by_activity ON traces (project, is_threaded, activity);
";

pub(super) const RUNS: &str = "
CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    project INTEGER NOT NULL,
    trace INTEGER NOT NULL,          -- key of the trace
    parent BLOB,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    moment INTEGER NOT NULL,         -- start, else end, else the least integer: orders pages
    start INTEGER,
    end INTEGER,
    first_token INTEGER,
    latency INTEGER,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    input_cost TEXT,
    output_cost TEXT,
    total_cost TEXT,
    name TEXT NOT NULL,
    model TEXT,
    thread TEXT,                     -- the key this very run carries
    reference_example TEXT,
    tags TEXT,                       -- JSON list; NULL where empty
    error TEXT,                      -- the beginning
    metadata TEXT,                   -- JSON object; NULL where empty
    seen BLOB NOT NULL               -- marks of the patches that were folded
);
CREATE UNIQUE INDEX runs_by_id ON runs (id);
CREATE INDEX runs_by_trace ON runs (trace);
CREATE INDEX runs_by_moment ON runs (project, moment, key);
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_example ON runs (reference_example) WHERE reference_example IS NOT NULL;
";

pub(super) const PAYLOADS: &str = "
CREATE TABLE payloads (run INTEGER PRIMARY KEY, body BLOB NOT NULL);
";

pub(super) const FEEDBACK: &str = "
CREATE TABLE feedback (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    project INTEGER NOT NULL,        -- of what it is about; where it arrived while that is unknown
    target BLOB,                     -- run it is about; for a trace, its root; NULL for the project itself
    is_early INTEGER NOT NULL,       -- whether the target has not arrived yet
    name TEXT NOT NULL,
    score REAL,
    label TEXT,
    source TEXT,
    comment TEXT,
    is_failure INTEGER NOT NULL,     -- whether it says that an evaluator failed
    created INTEGER,
    body BLOB NOT NULL               -- all of it
);
CREATE INDEX feedback_by_target ON feedback (target);
CREATE INDEX feedback_by_project ON feedback (project, created);
CREATE INDEX feedback_early ON feedback (target) WHERE is_early = 1;
";

pub(super) const REPORTS: &str = "
CREATE TABLE reports (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    project INTEGER NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    threads INTEGER NOT NULL,
    categories INTEGER NOT NULL,
    stored_at INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX reports_by_project ON reports (project);

";

/// What was derived from texts: deleted with the project they came from.
pub(super) const MEMO: &str = "
CREATE TABLE memo (key BLOB NOT NULL, value BLOB NOT NULL, project INTEGER NOT NULL);
CREATE UNIQUE INDEX memo_by_key ON memo (key);
CREATE INDEX memo_by_project ON memo (project);
";

pub(super) const SEARCH: &str = "
CREATE VIRTUAL TABLE search USING fts5 (
    name, error, inputs, outputs, content = '', contentless_delete = 1, tokenize = 'unicode61'
);
CREATE TABLE stale (run INTEGER PRIMARY KEY);
";

/// Documents of all kinds, and files by content.
pub(super) const RECORDS: &str = "
CREATE TABLE records (
    key INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    parent BLOB,
    name TEXT,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX records_by_id ON records (kind, id);
CREATE UNIQUE INDEX records_by_name ON records (kind, ifnull(parent, x''), name) WHERE name IS NOT NULL;
CREATE INDEX records_by_time ON records (kind, created, id);
CREATE INDEX records_by_parent ON records (parent, kind, created, id) WHERE parent IS NOT NULL;

CREATE TABLE blobs (key INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE attachments (
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE INDEX attachments_by_hash ON attachments (hash);
CREATE TABLE record_blobs (
    record INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (record, hash)
) WITHOUT ROWID;
CREATE INDEX record_blobs_by_hash ON record_blobs (hash);
";

/// What follows from runs and answers questions about many of them; see `digest`.
pub(super) const DIGESTS: &str = "
CREATE TABLE digests (key INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE zones (
    project INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    first INTEGER NOT NULL,          -- least and greatest moment
    last INTEGER NOT NULL,
    totals BLOB NOT NULL,
    PRIMARY KEY (project, segment)
) WITHOUT ROWID;
CREATE INDEX zones_by_segment ON zones (segment);
CREATE TABLE undigested (segment INTEGER PRIMARY KEY);
";

/// Runs whose place in a trace is not known for good; see `loose`.
pub(super) const LOOSE: &str = "
CREATE TABLE loose (
    run INTEGER PRIMARY KEY,
    parent BLOB,                     -- NULL where not even that is known
    is_due INTEGER NOT NULL          -- whether there is news of the parent
);
CREATE INDEX loose_by_parent ON loose (parent) WHERE parent IS NOT NULL;
CREATE INDEX loose_due ON loose (run) WHERE is_due = 1;
";

/// Everything, for a new store.
pub(super) const ALL: [&str; 12] =
    [SETTINGS, PROJECTS, TRACES, RUNS, PAYLOADS, FEEDBACK, REPORTS, MEMO, SEARCH, RECORDS, DIGESTS, LOOSE];
