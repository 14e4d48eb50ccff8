use std::{fmt, pin::Pin};

use futures_core::Stream;

use crate::{Block, Failure, FinishReason, Meta, Raw, TargetId, Usage};

/// The frames of a streamed answer.
pub type FrameStream = Pin<Box<dyn Stream<Item = Result<Frame, Failure>> + Send>>;

/// A streamed answer: its metadata and its frames.
pub struct Streaming {
    /// Metadata from the response head.
    pub meta: Meta,
    /// The frames in order of arrival.
    pub frames: FrameStream,
}

impl fmt::Debug for Streaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// The unit of forwarding: one upstream chunk and its events.
///
/// A chunk may have no event (a ping, a role) or several, but its bytes are forwarded once. A frame without events and
/// without bytes is a sign of life.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// The chunk as received.
    pub raw: Option<Raw>,
    /// The events of the chunk, in order.
    pub events: Vec<StreamEvent>,
}

impl Frame {
    /// Creates a frame with one event and without bytes.
    pub fn event(event: StreamEvent) -> Self {
        Self { raw: None, events: vec![event] }
    }

    /// Returns `true` if an event of this frame commits the stream.
    pub fn is_semantic(&self) -> bool {
        self.events.iter().any(StreamEvent::is_semantic)
    }

    /// Returns `true` if this frame contains the provider's end signal.
    pub fn is_done(&self) -> bool {
        self.events.iter().any(|event| matches!(event, StreamEvent::Done))
    }
}

/// An event of a streamed answer.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// The answer's id and model.
    Started {
        /// The provider's id for the answer.
        id: Option<String>,
        /// The model that answers, as reported by the provider.
        model: Option<String>,
    },
    /// More text.
    Text(String),
    /// More reasoning.
    Thinking(String),
    /// More of a tool call.
    ToolCall(ToolDelta),
    /// More text of a refusal; the first one comes with [`StreamEvent::Blocked`].
    Refusal(String),
    /// The reason why the answer ended.
    Finish(FinishReason),
    /// Token counts so far; each replaces the one before.
    Usage(Usage),
    /// The answer is blocked; the frames after it are still forwarded.
    Blocked(Block),
    /// The stream was interrupted; the events after this one come from a new call that continues the answer.
    Resumed {
        /// The target of the new call.
        by: TargetId,
        /// The provider's id for the interrupted answer.
        id: Option<String>,
    },
    /// The provider's own end signal: the answer is complete.
    Done,
}

impl StreamEvent {
    /// Returns `true` for output visible to the caller; the first such event commits the stream to its target.
    pub fn is_semantic(&self) -> bool {
        match self {
            Self::Text(text) | Self::Thinking(text) | Self::Refusal(text) => !text.is_empty(),
            Self::ToolCall(_) | Self::Blocked(_) => true,
            Self::Started { .. } | Self::Finish(_) | Self::Usage(_) | Self::Resumed { .. } | Self::Done => {
                false
            }
        }
    }
}

/// A part of a tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolDelta {
    /// The index among the answer's tool calls, from 0.
    pub index: u32,
    /// The id of the call, in its first delta.
    pub id: Option<String>,
    /// The name of the tool, in its first delta.
    pub name: Option<String>,
    /// More of the JSON text of the arguments.
    pub arguments: String,
}
