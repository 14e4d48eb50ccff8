//! The answer of a target that is to go on with another's, held until it does.

use std::mem;

use fb_core::{Failure, FailureKind, Frame, StreamEvent};

use super::seam::{Form, Seam, compare};

/// The beginning of a continuation.
pub(super) struct Continuation {
    form: Form,
    text: String,
    /// Events other than text.
    others: Vec<StreamEvent>,
    /// The number of bytes of text at which the next comparison is due.
    due: usize,
}

/// The result of holding a frame.
pub(super) enum Held {
    /// Not enough has arrived.
    Nothing,
    /// The continuation goes on with this frame.
    Frame(Frame),
}

impl Continuation {
    pub(super) const fn new(form: Form) -> Self {
        Self { form, text: String::new(), others: Vec::new(), due: 1 }
    }

    /// Adds a frame. `sent` is the answer that the continuation has to go on from.
    ///
    /// # Errors
    ///
    /// If the continuation is another answer, which is no sign of the target's health.
    pub(super) fn hold(&mut self, frame: Frame, sent: &str) -> Result<Held, Failure> {
        for event in text_only(frame)?.events {
            match event {
                StreamEvent::Text(text) => self.text.push_str(&text),
                other => self.others.push(other),
            }
        }
        // What leads to a block is not compared: a block is not avoided by requesting the rest from yet another target.
        if self.others.iter().any(|event| matches!(event, StreamEvent::Blocked(_))) {
            return Ok(self.release(self.text.len(), ""));
        }
        if self.text.len() < self.due && !self.is_finished() {
            return Ok(Held::Nothing);
        }
        match compare(sent, &self.text, self.form, self.is_finished()) {
            Seam::Open { until } => {
                self.due = until;
                Ok(Held::Nothing)
            }
            Seam::Joined { skip, glue } => Ok(self.release(skip, glue)),
            Seam::Apart => Err(unfit("the continuation does not go on from the answer so far")),
        }
    }

    /// Returns true if the continuation has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.others.iter().any(|event| matches!(event, StreamEvent::Finish(_) | StreamEvent::Done))
    }

    fn release(&mut self, skip: usize, glue: &str) -> Held {
        let rest = self.text.get(skip..).unwrap_or_default();
        let text = (!rest.is_empty()).then(|| StreamEvent::Text(format!("{glue}{rest}")));
        let events = text.into_iter().chain(mem::take(&mut self.others)).collect();
        Held::Frame(Frame { raw: None, events })
    }
}

/// Prepares a frame of a target that resumes an answer of text: its bytes belong to another answer, which began before.
///
/// # Errors
///
/// If the frame is part of a tool call, which is no text.
pub(super) fn text_only(frame: Frame) -> Result<Frame, Failure> {
    if frame.events.iter().any(|event| matches!(event, StreamEvent::ToolCall(_))) {
        return Err(unfit("the continuation calls a tool"));
    }
    let is_kept =
        |event: &StreamEvent| !matches!(event, StreamEvent::Started { .. } | StreamEvent::Thinking(_));
    Ok(Frame { raw: None, events: frame.events.into_iter().filter(is_kept).collect() })
}

/// Returns the failure of a continuation that is none.
fn unfit(detail: &str) -> Failure {
    Failure::new(FailureKind::Quality, detail)
}
