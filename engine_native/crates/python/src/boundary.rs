//! What every call does at the boundary: buffers to slices, no GIL while it works, errors and panics to exceptions.

use pyo3::buffer::{Element, PyBuffer};
use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

create_exception!(memento_native, NativeError, PyRuntimeError, "The native engine could not do what was asked.");

/// Run `work` without the GIL. A panic in it is a bug; it becomes a `NativeError` and does not cross the boundary.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| catch_unwind(AssertUnwindSafe(work))).map_err(|panic| {
        NativeError::new_err(format!("the native engine failed ({}): please report this", message(&*panic)))
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "for no stated reason".into())
}

/// Turn an error of the search crate into an exception.
pub fn search_error(error: memento_search::Error) -> PyErr {
    match error {
        memento_search::Error::Input(text) => PyValueError::new_err(text),
        memento_search::Error::Unusable(text) => NativeError::new_err(text),
        memento_search::Error::Io(error) => PyOSError::new_err(error),
    }
}

/// A C-contiguous buffer of `T` that somebody else owns.
pub struct Elements<T: Element>(PyBuffer<T>);

impl<T: Element> Elements<T> {
    /// Take `object`'s buffer. Raises TypeError if it has none, or one of other elements or order.
    pub fn of(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        let buffer = PyBuffer::get(object)
            .map_err(|error| PyTypeError::new_err(format!("{what}: {}", error.value(object.py()))))?;
        if buffer.is_c_contiguous() {
            Ok(Self(buffer))
        } else {
            Err(PyTypeError::new_err(format!("{what}: the buffer must be C-contiguous")))
        }
    }

    /// Return the elements.
    ///
    /// # Safety
    /// Nothing may write to the buffer as long as the slice lives. The stub tells callers so.
    pub unsafe fn slice(&self) -> &[T] {
        let (pointer, count) = (self.0.buf_ptr().cast::<T>(), self.0.item_count());
        if count == 0 {
            return &[];
        }
        // SAFETY: the buffer protocol keeps the memory where it is until `self.0` is released; PyO3 has checked the
        // element type and its alignment, `of` the order; the caller answers for writers.
        unsafe { std::slice::from_raw_parts(pointer, count) }
    }
}
