use std::fmt;

use crate::{Raw, Usage};

/// A content-policy refusal by a provider or its model.
///
/// It is an answer, not a failure: nothing converts it into a [`Failure`](crate::Failure), it is never retried,
/// never sent to another target and never cached.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Who declined what.
    pub category: BlockCategory,
    /// The provider's own words, short and redacted.
    pub detail: String,
    /// What was said before the block.
    pub partial: String,
    /// Tokens, if the provider counted them: a block is billed.
    pub usage: Option<Usage>,
    /// How to say it again in the provider's form.
    pub form: BlockForm,
}

impl Block {
    /// A block that came inside a stream.
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

/// Who declined what.
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

/// How a block came, so that it can be said again the same way.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockForm {
    /// As a whole body with this HTTP status.
    Body {
        /// The HTTP status.
        status: u16,
        /// The body, if its bytes were kept.
        raw: Option<Raw>,
    },
    /// Inside a stream, whose frames say it already.
    InStream,
}
