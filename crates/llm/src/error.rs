//! What can go wrong when asking a model, sorted by what the caller can do.

/// A failure to load a model or to get an answer from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the model could not be read.
    #[error("cannot read the embedding model")]
    Unreadable(#[source] std::io::Error),

    /// The files are whole, but not of a kind this crate can run; the message
    /// says which property is in the way.
    #[error("this embedding model cannot be used: {0}")]
    Unsupported(String),

    /// The bytes are not what their format promises.
    #[error("the embedding model is damaged: {0}")]
    Corrupt(String),

    /// The caller's progress hook asked to stop.
    #[error("embedding was cancelled")]
    Cancelled,
}

impl Error {
    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Unreadable(_) | Error::Unsupported(_) | Error::Corrupt(_) | Error::Cancelled => false,
        }
    }

    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Error::Unsupported(reason.into())
    }

    pub(crate) fn corrupt(reason: impl Into<String>) -> Self {
        Error::Corrupt(reason.into())
    }
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        Error::Unreadable(source)
    }
}
