//! Custom gates: checks that the embedding program adds.

use fb_core::{Chat, Reply};

use crate::Defect;

/// A check that the embedding program adds to a route.
///
/// [`Gates::check`](crate::Gates::check) calls custom gates after the built-in ones, in the order in which they were
/// given, and stops at the first defect. A gate sees complete answers only, never a partial stream, and never a
/// refusal: refusals pass without a check.
///
/// An implementation
///
/// - may read everything in the request and the answer, including tool calls;
/// - must be quick and must not block, because it runs on the task of the request;
/// - should depend on nothing but its arguments, because an answer may be checked again when it is read from the cache
///   or when a repaired answer replaces it;
/// - must not put secrets or personal data into the defect: its message is logged, and a repair sends it to the model.
///
/// Every closure with the signature of [`check`](Self::check) is a gate.
///
/// # Examples
///
/// ```
/// # use fb_core::{Chat, Reply};
/// # use fb_quality::{Defect, Gates, QualityConfig};
/// let no_todo = |_: &Chat, reply: &Reply| match reply.text.find("TODO") {
///     Some(at) => Err(Defect::new(format!("a TODO at byte {at}, expected finished work"))),
///     None => Ok(()),
/// };
/// let gates = Gates::new(QualityConfig::default(), vec![Box::new(no_todo)])?;
/// # Ok::<(), fb_quality::InvalidConfig>(())
/// ```
pub trait Gate: Send + Sync {
    /// Checks one complete answer to `chat`.
    ///
    /// # Errors
    /// Returns the defect that makes the answer unusable; the engine then repairs the answer or fails over.
    fn check(&self, chat: &Chat, reply: &Reply) -> Result<(), Defect>;
}

impl<F: Fn(&Chat, &Reply) -> Result<(), Defect> + Send + Sync> Gate for F {
    fn check(&self, chat: &Chat, reply: &Reply) -> Result<(), Defect> {
        self(chat, reply)
    }
}
