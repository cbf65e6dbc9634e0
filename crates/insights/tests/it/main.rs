//! Reports with models asked over real HTTP, with the stand-in server answering.
//!
//! Each test starts its own stand-in on a free port and has a store of its own.
//! What the stand-in does to requests follows from a seed and their content, so
//! nothing here depends on luck.
//!
//! | module | what it is about |
//! |---|---|
//! | `corpus` | conversations made from a seed |
//! | `support` | a store, a way to the stand-in, one report |
//! | `estimate` | what a run would take against what it took, twenty jobs |
//! | `faults` | faults, outages, running again, the same bytes |
//! | `money` | caps that hold, 200 runs |
//! | `granularity` | reports that cut the same threads finer and coarser, compared |
//! | `forgetting` | what is deleted is not remembered either |
//! | `leaks` | secrets in every place of a thread, and none in any request |

mod corpus;
mod estimate;
mod faults;
mod forgetting;
mod granularity;
mod leaks;
mod money;
mod support;
