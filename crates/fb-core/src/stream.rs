use std::{fmt, pin::Pin};

use futures_core::Stream;

use crate::{Block, Failure, FinishReason, Meta, Raw, TargetId, Usage};

/// The frames of a streamed answer.
pub type FrameStream = Pin<Box<dyn Stream<Item = Result<Frame, Failure>> + Send>>;

/// A streamed answer: what came with its head, and its frames.
pub struct Streaming {
    /// What came with the head.
    pub meta: Meta,
    /// The frames, as they arrive.
    pub frames: FrameStream,
}

impl fmt::Debug for Streaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// The unit of forwarding: one upstream chunk with the events it means.
///
/// A chunk may mean nothing (a ping, a role) or several things, but its bytes go out once. A frame without events
/// and without bytes only shows that the provider is alive.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame {
    /// The chunk as it came.
    pub raw: Option<Raw>,
    /// What it means, in order.
    pub events: Vec<StreamEvent>,
}

impl Frame {
    /// A frame of one event without bytes.
    pub fn event(event: StreamEvent) -> Self {
        Self { raw: None, events: vec![event] }
    }

    /// Whether an event of this frame commits the stream.
    pub fn is_semantic(&self) -> bool {
        self.events.iter().any(StreamEvent::is_semantic)
    }

    /// Whether the provider said in this frame that the answer is complete.
    pub fn is_done(&self) -> bool {
        self.events.iter().any(|event| matches!(event, StreamEvent::Done))
    }
}

/// The unit of meaning in a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// The provider's id of the answer and the model that really answers.
    Started {
        /// The provider's id of the answer.
        id: Option<String>,
        /// The model that really answers.
        model: Option<String>,
    },
    /// More text.
    Text(String),
    /// More thinking.
    Thinking(String),
    /// More of a tool call.
    ToolCall(ToolDelta),
    /// More of a refusal's wording; the first one comes with [`StreamEvent::Blocked`].
    Refusal(String),
    /// Why the answer ended.
    Finish(FinishReason),
    /// Tokens so far; a later one replaces an earlier one.
    Usage(Usage),
    /// The answer is blocked; the frames after it are still forwarded.
    Blocked(Block),
    /// The stream of one target broke, and what follows comes from a call that was asked to go on where it stopped.
    Resumed {
        /// Who goes on.
        by: TargetId,
        /// The provider's id of the answer so far.
        id: Option<String>,
    },
    /// The provider's own end signal: the answer is complete.
    Done,
}

impl StreamEvent {
    /// Whether this is output a caller would see: the first such event commits a stream to its target.
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

/// More of one tool call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolDelta {
    /// Which of the answer's tool calls, from 0, counting tool calls only.
    pub index: u32,
    /// The call's id; in its first delta.
    pub id: Option<String>,
    /// The tool's name; in its first delta.
    pub name: Option<String>,
    /// More of the arguments' JSON text.
    pub arguments: String,
}
