//! `memento_native.Embedder`.

use crate::boundary::{NativeError, detached};
use memento_embed::{Embedded, Engine, Error, Options, Role, runtime_build};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;
use std::path::PathBuf;

/// The vectors of a text and the codes of its words.
type Both<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// A loaded embedding model; see the stub.
#[pyclass(module = "memento_native", frozen)]
pub struct Embedder(Engine);

#[pymethods]
impl Embedder {
    #[new]
    #[pyo3(signature = (library, model, tokenizer, *, dimensions, window, query_prompt="", passage_prompt="", threads=1, batch=1, stop_words=Vec::new()))]
    #[allow(clippy::too_many_arguments)] // Python names them.
    fn new(
        py: Python<'_>,
        library: PathBuf,
        model: PathBuf,
        tokenizer: PathBuf,
        dimensions: usize,
        window: usize,
        query_prompt: &str,
        passage_prompt: &str,
        threads: usize,
        batch: usize,
        stop_words: Vec<String>,
    ) -> PyResult<Self> {
        let (query_prompt, passage_prompt) = (query_prompt.into(), passage_prompt.into());
        let (threads, batch) = (threads.max(1), batch.max(1));
        let stop_words = stop_words.into_iter().collect();
        let options = Options { threads, batch, dimensions, window, query_prompt, passage_prompt, stop_words };
        detached(py, || Engine::new(&library, &model, &tokenizer, options))?.map(Self).map_err(embed_error)
    }

    fn embed<'py>(&self, py: Python<'py>, texts: Vec<PyBackedStr>) -> PyResult<Vec<Both<'py>>> {
        embedded(py, &texts, |texts| self.0.embed(texts, Role::Passage))
    }

    fn embed_queries<'py>(&self, py: Python<'py>, texts: Vec<PyBackedStr>) -> PyResult<Vec<Both<'py>>> {
        embedded(py, &texts, |texts| self.0.embed_queries(texts))
    }

    fn passages(&self, py: Python<'_>, text: PyBackedStr) -> PyResult<Vec<(usize, usize)>> {
        detached(py, || {
            let chunks = self.0.chunks(&text, Role::Passage)?;
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

/// Embed without the GIL, and return the vectors of each text as the bytes of their float32, and its codes.
fn embedded<'py>(
    py: Python<'py>,
    texts: &[PyBackedStr],
    embed: impl FnOnce(&[&str]) -> Result<Vec<Embedded>, Error> + Send,
) -> PyResult<Vec<Both<'py>>> {
    let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
    let found = detached(py, || embed(&texts))?.map_err(embed_error)?;
    let bytes = |own: &[f32]| own.iter().flat_map(|x| x.to_ne_bytes()).collect::<Vec<u8>>();
    Ok(found.iter().map(|own| (PyBytes::new(py, &bytes(&own.vectors)), PyBytes::new(py, &own.codes))).collect())
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
