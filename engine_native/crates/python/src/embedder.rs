//! `memento_native.Embedder`.

use crate::boundary::{NativeError, detached};
use memento_embed::{Engine, Error, Options, runtime_build};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyByteArray;
use std::path::PathBuf;

/// A loaded embedding model; see the stub.
#[pyclass(module = "memento_native", frozen)]
pub struct Embedder(Engine);

#[pymethods]
impl Embedder {
    #[new]
    #[pyo3(signature = (library, model, tokenizer, *, dimensions, threads=1, batch=1))]
    fn new(
        py: Python<'_>,
        library: PathBuf,
        model: PathBuf,
        tokenizer: PathBuf,
        dimensions: usize,
        threads: usize,
        batch: usize,
    ) -> PyResult<Self> {
        let options = Options { threads: threads.max(1), batch: batch.max(1), dimensions };
        detached(py, || Engine::new(&library, &model, &tokenizer, options))?.map(Self).map_err(embed_error)
    }

    fn embed<'py>(&self, py: Python<'py>, texts: Vec<PyBackedStr>) -> PyResult<(Bound<'py, PyByteArray>, Vec<usize>)> {
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let (vectors, counts) = detached(py, || self.0.embed(&texts))?.map_err(embed_error)?;
        let bytes: Vec<u8> = vectors.iter().flat_map(|x| x.to_ne_bytes()).collect();
        Ok((PyByteArray::new(py, &bytes), counts))
    }

    fn passages(&self, py: Python<'_>, text: PyBackedStr) -> PyResult<Vec<(usize, usize)>> {
        detached(py, || {
            let chunks = self.0.chunks(&text)?;
            // Python counts characters; the chunks tile the text, so one walk over it finds all their ends.
            let mut at = 0;
            let spans = chunks.iter().map(|chunk| {
                let start = at;
                at += text.get(chunk.start..chunk.end).map_or(0, |part| part.chars().count());
                (start, at)
            });
            Ok(spans.collect())
        })?
        .map_err(embed_error)
    }
}

/// Load ONNX Runtime from `library`, unless it is loaded, and return what it says of its build.
#[pyfunction]
pub fn load_runtime(py: Python<'_>, library: PathBuf) -> PyResult<&'static str> {
    detached(py, || runtime_build(&library))?.map_err(embed_error)
}

#[allow(clippy::needless_pass_by_value)] // `map_err` gives it away.
fn embed_error(error: Error) -> PyErr {
    NativeError::new_err(error.to_string())
}
