//! Text to unit vectors: a model in ONNX Runtime, as Memento installs it.
//!
//! ```text
//! text --chunker--> chunks that fit the model's window --batches--> calls of the model --> one unit vector per chunk
//!                                                                                          and one code per word
//! ```
//! The Python engine (`memento/embedding/passages.py`, `onnx_engine.py`) is the reference: the same files, the same
//! cuts, the same batches. ONNX Runtime is not part of this crate: the shared library is loaded from a path.

mod batches;
mod chunker;
mod codes;
mod engine;
mod error;
mod runtime;

pub use batches::batches;
pub use chunker::{Chunk, Chunker};
pub use codes::MOST_CODES;
pub use engine::{Embedded, Engine, Options, Role};
pub use error::Error;
pub use runtime::runtime_build;
