//! What a program adds of its own.

use fb_core::{Chat, Reply};

use crate::Defect;

/// A check of a program's own; any closure of this form is one.
///
/// It is called for every whole answer that no built-in gate found wrong and that is not a refusal. It runs on the
/// task of the request, so it must be quick and must not block.
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
    /// Whether the answer can be used.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self, chat: &Chat, reply: &Reply) -> Result<(), Defect>;
}

impl<F: Fn(&Chat, &Reply) -> Result<(), Defect> + Send + Sync> Gate for F {
    fn check(&self, chat: &Chat, reply: &Reply) -> Result<(), Defect> {
        self(chat, reply)
    }
}
