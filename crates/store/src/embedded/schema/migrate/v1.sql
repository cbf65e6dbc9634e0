-- The tables of format 1, as assay 0.1 made them. Kept to test that they move forward.

CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO settings VALUES ('indexed_up_to', 0);

CREATE TABLE projects (key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE);

CREATE TABLE traces (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    project INTEGER NOT NULL,
    thread TEXT NOT NULL,
    root INTEGER NOT NULL,           -- key of the run that stands for the trace
    runs INTEGER NOT NULL,
    start INTEGER,
    end INTEGER,
    latency INTEGER,                 -- of the root, microseconds
    status TEXT NOT NULL,            -- of the root
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cost TEXT                        -- exact decimal; NULL where no run has a known cost
);
CREATE UNIQUE INDEX traces_by_id ON traces (id, project);
CREATE INDEX traces_by_thread ON traces (project, thread);

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
    input_cost REAL,
    output_cost REAL,
    total_cost REAL,
    cost TEXT,                       -- the total as exact decimal
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

CREATE TABLE payloads (run INTEGER PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE feedback (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    project INTEGER NOT NULL,        -- where it arrived
    target BLOB,                     -- run it is about; for a trace, its root
    name TEXT NOT NULL,
    score REAL,
    label TEXT,
    source TEXT,
    comment TEXT,
    body BLOB NOT NULL               -- all of it
);
CREATE INDEX feedback_by_target ON feedback (target);
CREATE INDEX feedback_by_project ON feedback (project);

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

CREATE TABLE memo (key BLOB NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX memo_by_key ON memo (key);

CREATE VIRTUAL TABLE search USING fts5 (
    name, error, inputs, outputs, content = '', contentless_delete = 1, tokenize = 'unicode61'
);
CREATE TABLE stale (run INTEGER PRIMARY KEY);
