//! Why a text could not be embedded.

use std::fmt;

/// What failed, with the file it is about.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<ort::Error> for Error {
    fn from(error: ort::Error) -> Self {
        Self::new("ONNX Runtime", error)
    }
}
