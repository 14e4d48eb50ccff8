use bytes::Bytes;
use fb_core::{Block, Note, Reply};
use thiserror::Error;

use crate::errors::ErrorBody;

/// A body printed for a provider, and its differences from the caller's request.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The body.
    pub body: Bytes,
    /// The fields that were mapped to something weaker, or left out because they do not affect the answer.
    pub notes: Vec<Note>,
}

/// The content of a body with status 200.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// An answer.
    Reply(Reply),
    /// A content-policy refusal.
    Blocked(Block),
}

/// The reason a body or chunk with status 200 is not an answer.
#[derive(Debug, Clone, Error)]
pub enum WireError {
    /// The provider reports an error.
    #[error("the provider reports an error")]
    Reported(Box<ErrorBody>),
    /// The bytes do not conform to the dialect; the text describes the violation.
    #[error("{0}")]
    Malformed(String),
}
