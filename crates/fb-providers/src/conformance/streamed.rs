use fb_core::{Failure, FinishReason, Frame, FrameStream, StreamEvent, ToolDelta, Usage};
use futures_util::StreamExt;

/// The content of a stream, read to its end.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    pub(super) text: String,
    pub(super) calls: Vec<ToolDelta>,
    pub(super) finish: Option<FinishReason>,
    pub(super) usage: Option<Usage>,
    pub(super) blocked: bool,
    pub(super) failure: Option<Failure>,
    /// Number of end signals.
    ends: usize,
    /// The first violation of the order of events.
    disorder: Option<&'static str>,
}

impl Streamed {
    /// Reads a stream until it ends.
    pub(super) async fn read(mut frames: FrameStream) -> Self {
        let mut streamed = Self::default();
        while let Some(item) = frames.next().await {
            match item {
                Ok(frame) => streamed.add(frame),
                Err(failure) => {
                    if streamed.ends > 0 {
                        streamed.disorder.get_or_insert("a failure after the end signal");
                    }
                    if streamed.failure.is_some() {
                        streamed.disorder.get_or_insert("a second failure");
                        // A stream that only fails would never end.
                        break;
                    }
                    streamed.failure = Some(failure);
                }
            }
        }
        streamed
    }

    fn add(&mut self, frame: Frame) {
        if self.failure.is_some() {
            self.disorder.get_or_insert("a frame after a failure");
        }
        for event in frame.events {
            if self.ends > 0 && event.is_semantic() {
                self.disorder.get_or_insert("output after the end signal");
            }
            match event {
                StreamEvent::Text(more) => self.text.push_str(&more),
                StreamEvent::ToolCall(delta) => self.add_call(delta),
                StreamEvent::Finish(reason) => self.finish = Some(reason),
                StreamEvent::Usage(usage) => self.usage = Some(usage),
                StreamEvent::Blocked(_) => self.blocked = true,
                StreamEvent::Done => self.ends += 1,
                StreamEvent::Resumed { .. } => {
                    self.disorder.get_or_insert("a resumption, which is the engine's event");
                }
                StreamEvent::Started { .. } | StreamEvent::Thinking(_) | StreamEvent::Refusal(_) => {}
            }
        }
    }

    fn add_call(&mut self, delta: ToolDelta) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.index == delta.index) {
            call.arguments.push_str(&delta.arguments);
            return;
        }
        if delta.name.is_none() {
            self.disorder.get_or_insert("a first part of a tool call without its name");
        }
        self.calls.push(delta);
    }

    /// Returns a deviation from a complete stream: one end signal, as the last event but for signs of life, and no failure.
    pub(super) fn incomplete(&self) -> Option<String> {
        if let Some(failure) = &self.failure {
            return Some(failure.with_detail());
        }
        match (self.disorder, self.ends) {
            (Some(disorder), _) => Some(disorder.to_owned()),
            (None, 1) => None,
            (None, 0) => Some("no end signal".to_owned()),
            (None, ends) => Some(format!("{ends} end signals")),
        }
    }

    /// Returns a deviation from an interrupted stream: no end signal, and nothing after a failure.
    pub(super) fn complete(&self) -> Option<String> {
        match self.disorder {
            Some(disorder) => Some(disorder.to_owned()),
            None => (self.ends > 0).then(|| "the end signal".to_owned()),
        }
    }
}
