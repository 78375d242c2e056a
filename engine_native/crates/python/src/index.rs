//! `memento_native.Index`.

use crate::boundary::{Elements, detached, search_error};
use memento_search::{Epoch, Index as Core};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::path::PathBuf;

/// The 1-bit codes of the rows of a matrix; see the stub.
#[pyclass(module = "memento_native")]
pub struct Index(pub Core);

#[pymethods]
impl Index {
    #[new]
    fn new(dimensions: usize) -> PyResult<Self> {
        Core::new(dimensions).map(Self).map_err(search_error)
    }

    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, dimensions: usize, epoch: &str, rows: usize) -> PyResult<Self> {
        let epoch = read_epoch(epoch)?;
        detached(py, || Core::load(&path, dimensions, &epoch, rows))?.map(Self).map_err(search_error)
    }

    fn save(&self, py: Python<'_>, path: PathBuf, epoch: &str) -> PyResult<()> {
        let epoch = read_epoch(epoch)?;
        detached(py, || self.0.save(&path, &epoch))?.map_err(search_error)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn memory(&self) -> usize {
        self.0.memory()
    }

    fn extend(&mut self, py: Python<'_>, vectors: &Bound<'_, PyAny>) -> PyResult<()> {
        let vectors = Elements::<f32>::of(vectors, "vectors")?;
        // SAFETY: the stub forbids writing to arguments while a call runs.
        let vectors = unsafe { vectors.slice() };
        detached(py, || self.0.extend(vectors))?.map_err(search_error)
    }
}

fn read_epoch(text: &str) -> PyResult<Epoch> {
    text.as_bytes().try_into().map_err(|_| PyValueError::new_err("epoch: 16 ASCII characters expected"))
}
