use bytes::Bytes;
use fb_core::{Block, Note, Reply};
use thiserror::Error;

use crate::errors::ErrorBody;

/// A body printed for a provider, and what it says differently from what the caller asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The body.
    pub body: Bytes,
    /// What was mapped to something weaker or left out because it changes nothing in the answer.
    pub notes: Vec<Note>,
}

/// What a body with status 200 says.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// An answer.
    Reply(Reply),
    /// A content-policy refusal.
    Blocked(Block),
}

/// Why a body or chunk with status 200 is no answer.
#[derive(Debug, Clone, Error)]
pub enum WireError {
    /// The provider reports an error.
    #[error("the provider reports an error")]
    Reported(Box<ErrorBody>),
    /// The bytes are not what the dialect promises; says what was expected.
    #[error("{0}")]
    Malformed(String),
}
