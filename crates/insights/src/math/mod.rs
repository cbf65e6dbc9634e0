//! Numbers only: vectors in, trees, cuts, places and scores out.
//!
//! Start with [`hierarchy()`], which is the whole of discovery; the other
//! modules are its parts. Nothing here knows about threads, texts or reports
//! (except [`student`], which reads words). Every function is deterministic:
//! sums run in a fixed order whatever the number of cores, ties go to the
//! lower index, and the little randomness there is comes from an explicit
//! seed and the content of the rows.

pub mod agreement;
pub mod granularity;
pub mod hierarchy;
pub mod linkage;
pub mod matrix;
pub mod neighbours;
pub mod project;
pub mod random;
pub mod route;
pub mod student;

pub use hierarchy::{Cut, Dendrogram, Options, hierarchy};
pub use matrix::Matrix;
pub use project::project_2d;
pub use route::{Route, Router};
pub use student::Student;
