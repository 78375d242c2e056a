//! ONNX Runtime's shared library: loaded once per process, from the first path that is asked for.

use crate::error::Error;
use ort::environment::Environment;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The environment is never dropped: at the end of the process its threads may be gone already.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// Load the library, unless one is loaded already, and return the process's environment.
///
/// # Errors
/// If the file is no ONNX Runtime 1.22 or newer.
pub fn environment(library: &Path) -> Result<&'static Environment, Error> {
    let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = ENVIRONMENT.get() {
        return Ok(loaded);
    }
    let builder = ort::init_from(library).map_err(|error| Error::new(library.display(), error))?;
    let made = builder.with_name("memento").with_telemetry(false).build()?;
    Ok(ENVIRONMENT.get_or_init(|| made))
}

/// Return what ONNX Runtime says of its build, loading `library` if none is loaded.
///
/// # Errors
/// If the file is no ONNX Runtime 1.22 or newer.
pub fn runtime_build(library: &Path) -> Result<&'static str, Error> {
    environment(library)?;
    Ok(ort::info())
}
