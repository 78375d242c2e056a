//! What can be wrong with an argument or a file.

use std::fmt;

/// Why a call was refused.
#[derive(Debug)]
pub enum Error {
    /// An argument makes no sense; the text says what it takes.
    Input(String),
    /// The file is not one of codes, or is damaged, or belongs to other vectors: build the codes anew.
    Unusable(String),
    /// The system could not read or write the file.
    Io(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(text) | Self::Unusable(text) => out.write_str(text),
            Self::Io(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
