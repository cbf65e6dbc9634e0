//! The product from outside: the binary, files and exit codes, as users meet them.
//!
//! Every test has a folder of its own, which is also the working directory and
//! the temporary directory of the commands it runs, so tests may run side by
//! side. Start with [`support::Place`].
//!
//! | module | what it is about |
//! |---|---|
//! | `journey` | the steps over a durable store, from import to delete |
//! | `reading` | where input may come from |
//! | `analysis` | flags of the analysis, and that nothing but the input decides the result |
//! | `alone` | reports where there is no network |
//! | `exits` | exit codes and the words that go with them |
//! | `bad_records` | records nobody should send, among good ones |
//! | `bad_places` | bombs, full disks, foreign and locked stores |
//! | `stopping` | Ctrl-C and kill at any moment |
//! | `serving` | the server: kill -9 under load, other commands beside it |
//! | `models` | estimates, runs, embeddings and alerts with models |
//! | `operating` | settings, keys, retention, logs, backups, and how a server ends |
//! | `jobs` | jobs of the server: killed, followed, compared, exported |
//! | `deep_jobs` | jobs that ask models, killed: the same report, nothing kept is asked again |
//! | `full_disk` | a server whose disk is full, and has room again |
//! | `inert` | payloads in every text field of a trace |
//! | `demo` | the demo finds what it planted |

#[cfg(target_os = "linux")]
mod alone;
mod analysis;
mod bad_places;
mod bad_records;
#[cfg(unix)]
mod deep_jobs;
mod demo;
mod exits;
#[cfg(target_os = "linux")]
mod full_disk;
mod inert;
#[cfg(unix)]
mod jobs;
mod journey;
mod models;
#[cfg(unix)]
mod operating;
mod reading;
#[cfg(unix)]
mod serving;
#[cfg(unix)]
mod stopping;
mod support;
