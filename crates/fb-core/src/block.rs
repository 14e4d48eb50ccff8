use std::fmt;

use crate::{Raw, Usage};

/// A content-policy refusal by a provider or its model.
///
/// A block is an answer, not a failure: no conversion into a [`Failure`](crate::Failure) exists, and a blocked request
/// is never retried, sent to another target or cached.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The part of the exchange that was refused.
    pub category: BlockCategory,
    /// The provider's own explanation, shortened and redacted.
    pub detail: String,
    /// The answer text received before the block.
    pub partial: String,
    /// Token counts, if the provider reported them. Blocked answers are billed.
    pub usage: Option<Usage>,
    /// The form in which the block arrived, so that it can be forwarded in the same form.
    pub form: BlockForm,
}

impl Block {
    /// Creates a block that arrived inside a stream.
    pub fn in_stream(category: BlockCategory, detail: impl Into<String>) -> Self {
        Self {
            category,
            detail: detail.into(),
            partial: String::new(),
            usage: None,
            form: BlockForm::InStream,
        }
    }
}

/// The part of the exchange that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockCategory {
    /// A filter rejected the prompt.
    Input,
    /// A filter rejected or cut the answer.
    Output,
    /// The model itself declined.
    Refusal,
}

impl fmt::Display for BlockCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Input => "input filtered",
            Self::Output => "output filtered",
            Self::Refusal => "refused",
        })
    }
}

/// The form in which a block arrived.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockForm {
    /// A whole response body with an HTTP status.
    Body {
        /// The HTTP status.
        status: u16,
        /// The body as received, if it was kept.
        raw: Option<Raw>,
    },
    /// Inside a stream; its frames already carry the block.
    InStream,
}
