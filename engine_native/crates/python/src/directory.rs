//! `memento_native.Directory`.

use crate::boundary::{Elements, detached, search_error};
use crate::index::Index;
use memento_search::{Directory as Core, Rows, Span, Wanted};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// Which rows belong to which memory, and what is near to a query; see the stub.
#[pyclass(module = "memento_native")]
pub struct Directory(Core);

#[pymethods]
impl Directory {
    #[new]
    fn new(py: Python<'_>, nums: &Bound<'_, PyAny>) -> PyResult<Self> {
        let nums = Elements::<i64>::of(nums, "nums")?;
        // SAFETY: the stub forbids writing to arguments while a call runs.
        let nums = unsafe { nums.slice() };
        detached(py, || Core::new(nums))?.map(Self).map_err(search_error)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn spans(&self, nums: Vec<i64>) -> Vec<(u32, u32)> {
        nums.into_iter().map(|num| self.0.find(num)).map(|span| (span.first, span.count)).collect()
    }

    fn put(&mut self, spans: Vec<(i64, u32, u32)>) {
        spans.into_iter().for_each(|(num, first, count)| self.0.put(num, Span { first, count }));
    }

    fn others(&self, py: Python<'_>, nums: Vec<i64>) -> PyResult<Vec<i64>> {
        detached(py, || self.0.others(&nums))
    }

    #[pyo3(signature = (index, vectors, nums, query, count, among=None, threads=1))]
    #[allow(clippy::too_many_arguments)] // Python names them.
    fn nearest(
        &self,
        py: Python<'_>,
        index: &Index,
        vectors: &Bound<'_, PyAny>,
        nums: &Bound<'_, PyAny>,
        query: &[u8],
        count: usize,
        among: Option<Vec<i64>>,
        threads: usize,
    ) -> PyResult<Vec<(i64, f32)>> {
        let (vectors, nums) = (Elements::<f32>::of(vectors, "vectors")?, Elements::<i64>::of(nums, "nums")?);
        let query = floats(query)?;
        // SAFETY: as in `new`.
        let rows = unsafe { Rows { vectors: vectors.slice(), nums: nums.slice() } };
        let wanted = Wanted { query: &query, count, among: among.as_deref(), threads: threads.max(1) };
        detached(py, || self.0.nearest(&index.0, rows, wanted))?.map_err(search_error)
    }

    fn similarities(
        &self,
        py: Python<'_>,
        vectors: &Bound<'_, PyAny>,
        queries: Vec<PyBackedBytes>,
        nums: Vec<i64>,
    ) -> PyResult<Vec<Vec<f32>>> {
        let vectors = Elements::<f32>::of(vectors, "vectors")?;
        let queries = queries.iter().map(|query| floats(query)).collect::<PyResult<Vec<_>>>()?;
        // SAFETY: as in `new`.
        let vectors = unsafe { vectors.slice() };
        let similar = |query: &Vec<f32>| self.0.similarities(vectors, query, &nums);
        detached(py, || queries.iter().map(similar).collect::<Result<_, _>>())?.map_err(search_error)
    }
}

/// Read float32 in native order, which need not be aligned.
fn floats(bytes: &[u8]) -> PyResult<Vec<f32>> {
    match bytes.as_chunks::<4>() {
        (numbers, []) => Ok(numbers.iter().map(|x| f32::from_ne_bytes(*x)).collect()),
        _ => Err(PyValueError::new_err(format!("query: {} bytes are no float32", bytes.len()))),
    }
}
