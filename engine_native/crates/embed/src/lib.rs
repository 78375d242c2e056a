//! Text to unit vectors: all-MiniLM-L6-v2 in ONNX Runtime.
//!
//! ```text
//! text --chunker--> chunks of 256 tokens at most --batches--> calls of the model --> one unit vector per chunk
//! ```
//! The Python engine (`memento/embedding/passages.py`, `onnx_engine.py`) is the reference: the same files, the same
//! cuts, the same batches. ONNX Runtime is not part of this crate: the shared library is loaded from a path.

mod batches;
mod chunker;
mod engine;
mod error;
mod runtime;

pub use batches::batches;
pub use chunker::{Chunk, Chunker, MAX_TOKENS};
pub use engine::{Engine, Options};
pub use error::Error;
pub use runtime::runtime_build;
