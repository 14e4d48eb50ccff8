//! Printing that the dialects share.

use fb_core::{Block, BlockCategory};
use serde::Serialize;

/// Prints a struct of this crate as JSON.
pub(crate) fn print<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "only a map with keys other than strings fails to print into a vector"
    )]
    serde_json::to_vec(value).expect("structs of strings and numbers print")
}

/// Returns the provider's message about a block, or a default one. Never empty, because OpenAI's clients recognise a
/// refusal by its non-empty text.
pub(crate) fn block_message(block: &Block) -> &str {
    match (block.detail.trim(), block.category) {
        ("", BlockCategory::Refusal) => "The model declined to answer.",
        ("", BlockCategory::Input) => "The prompt was rejected by the provider's content filter.",
        ("", BlockCategory::Output) => "The answer was cut by the provider's content filter.",
        (detail, _) => detail,
    }
}
