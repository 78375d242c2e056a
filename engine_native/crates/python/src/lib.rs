//! The Python module `memento_native`: checks what it is given, releases the GIL, and calls the core crates.

mod boundary;
mod directory;
mod embedder;
mod index;
mod likeness;

use pyo3::prelude::*;
use pyo3::types::PyDict;

#[pymodule]
mod memento_native {
    #[pymodule_export]
    use super::boundary::NativeError;
    #[pymodule_export]
    use super::describe;
    #[pymodule_export]
    use super::directory::Directory;
    #[pymodule_export]
    use super::embedder::{Embedder, load_runtime};
    #[pymodule_export]
    use super::index::Index;
    #[pymodule_export]
    use super::likeness::likeness;
}

/// Raised together with INTERFACE in memento/base/native.py, when a signature or what it means changes.
const INTERFACE: &str = "2";

/// Return the version and interface of this build and the vector instructions that it uses here.
#[pyfunction]
fn describe(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("version", env!("CARGO_PKG_VERSION"))?;
    found.set_item("interface", INTERFACE)?;
    found.set_item("simd", memento_search::Simd::best().name())?;
    Ok(found)
}
