//! `memento_native.likeness`.

use crate::boundary::{detached, search_error};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Compare the words of a question with those of texts; see the stub.
#[pyfunction]
pub fn likeness(
    py: Python<'_>,
    words: PyBackedBytes,
    documents: Vec<Option<PyBackedBytes>>,
    dimensions: usize,
) -> PyResult<Vec<Vec<f64>>> {
    let documents: Vec<&[u8]> = documents.iter().map(|codes| codes.as_deref().unwrap_or_default()).collect();
    detached(py, || memento_search::likeness(&words, &documents, dimensions))?.map_err(search_error)
}
