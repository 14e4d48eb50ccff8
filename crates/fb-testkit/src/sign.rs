use fb_core::{CallError, Frame, Reply, StreamEvent};

/// Marks every word of an answer with its model, call and position.
#[derive(Debug)]
pub(crate) struct Signature {
    /// `@MODEL#CALL`.
    mark: String,
    words: usize,
}

impl Signature {
    pub(crate) fn new(model: &str, call: usize) -> Self {
        Self { mark: format!("@{model}#{call}"), words: 0 }
    }

    /// Number of words signed so far.
    pub(crate) const fn words(&self) -> usize {
        self.words
    }

    pub(crate) fn plain(&mut self, answer: &mut Result<Reply, CallError>) {
        match answer {
            Ok(reply) => {
                reply.text = self.text(&reply.text);
                for call in &mut reply.tool_calls {
                    call.id.push_str(&self.mark);
                }
            }
            Err(CallError::Blocked(block)) => block.partial = self.text(&block.partial),
            Err(CallError::Failed(_)) => {}
        }
    }

    pub(crate) fn frame(&mut self, frame: &mut Frame) {
        for event in &mut frame.events {
            match event {
                StreamEvent::Text(text) => *text = self.text(text),
                StreamEvent::ToolCall(delta) => {
                    if let Some(id) = &mut delta.id {
                        id.push_str(&self.mark);
                    }
                }
                StreamEvent::Started { .. }
                | StreamEvent::Thinking(_)
                | StreamEvent::Refusal(_)
                | StreamEvent::Finish(_)
                | StreamEvent::Usage(_)
                | StreamEvent::Blocked(_)
                | StreamEvent::Resumed { .. }
                | StreamEvent::Done => {}
            }
        }
    }

    fn text(&mut self, text: &str) -> String {
        let sign = |piece: &str| {
            let word = piece.trim_end();
            let signed = format!("{word}{}.{}{}", self.mark, self.words, &piece[word.len()..]);
            self.words += 1;
            signed
        };
        text.split_inclusive(' ').map(sign).collect()
    }
}
