//! `memento_native.Index`.

use crate::boundary::{Elements, detached, search_error};
use memento_search::{Epoch, Index as Core};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::path::PathBuf;

/// Nearest rows of a matrix of vectors by 1-bit codes and exact rescoring; see the stub.
#[pyclass(module = "memento_native")]
pub struct Index(Core);

type Found<'py> = (Bound<'py, PyByteArray>, Bound<'py, PyByteArray>);

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
        let vectors = matrix(vectors, self.0.dimensions())?;
        // SAFETY: the stub forbids writing to arguments while a call runs.
        let vectors = unsafe { vectors.slice() };
        detached(py, || self.0.extend(vectors))?.map_err(search_error)
    }

    #[pyo3(signature = (query, count, vectors, allowed=None, threads=1))]
    fn nearest<'py>(
        &self,
        py: Python<'py>,
        query: &Bound<'py, PyAny>,
        count: usize,
        vectors: &Bound<'py, PyAny>,
        allowed: Option<&Bound<'py, PyAny>>,
        threads: usize,
    ) -> PyResult<Found<'py>> {
        let query = Elements::<f32>::of(query, "query")?;
        let vectors = matrix(vectors, self.0.dimensions())?;
        let allowed = allowed.map(|mask| Elements::<u8>::of(mask, "allowed")).transpose()?;
        // SAFETY: as in `extend`.
        let (query, vectors, allowed) =
            unsafe { (query.slice(), vectors.slice(), allowed.as_ref().map(|mask| mask.slice())) };
        let found = detached(py, || self.0.nearest(vectors, query, count, allowed, threads.max(1)))?;
        let found = found.map_err(search_error)?;
        let rows: Vec<u8> = found.iter().flat_map(|hit| (hit.row as i64).to_ne_bytes()).collect();
        let scores: Vec<u8> = found.iter().flat_map(|hit| hit.score.to_ne_bytes()).collect();
        Ok((PyByteArray::new(py, &rows), PyByteArray::new(py, &scores)))
    }
}

fn matrix(vectors: &Bound<'_, PyAny>, dimensions: usize) -> PyResult<Elements<f32>> {
    let vectors = Elements::of(vectors, "vectors")?;
    match vectors.shape() {
        [_] => Ok(vectors),
        [_, columns] if *columns == dimensions => Ok(vectors),
        shape => Err(PyValueError::new_err(format!("vectors: (rows, {dimensions}) expected, not {shape:?}"))),
    }
}

fn read_epoch(text: &str) -> PyResult<Epoch> {
    text.as_bytes().try_into().map_err(|_| PyValueError::new_err("epoch: 16 ASCII characters expected"))
}
