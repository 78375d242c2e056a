//! Nearest unit vectors by 1-bit codes and exact rescoring.
//!
//! ```text
//! vectors --codes--> 1 bit a dimension + 1 factor, blocks of 32
//! query --tables--> scan of the allowed rows --> the best candidates --> exact scores --> the best rows
//! ```
//! There is no index to train: a vector is appended by encoding it, and left out by its bit. A directory knows which
//! rows are the passages of which memory.

mod bitmap;
mod codes;
mod directory;
mod error;
mod errors;
mod file;
mod index;
mod kernels;
mod likeness;
mod memories;
mod scan;
mod search;
mod tables;
mod top;

pub use bitmap::Bitmap;
pub use codes::{Codes, DIMENSIONS, LANES, Layout, mean};
pub use directory::{DEAD, Directory, Span};
pub use error::Error;
pub use file::Epoch;
pub use index::Index;
pub use kernels::Simd;
pub use likeness::likeness;
pub use memories::{Rows, Wanted};
pub use scan::candidates;
pub use search::{Hit, Query, search};
pub use tables::Tables;
pub use top::Candidate;
