//! The outcome of the attempts at one target.

use std::collections::VecDeque;

use fb_core::{Block, Failure, Frame, FrameStream, Meta, Note, Reply, TargetId};

use super::open_call::OpenCall;

/// The outcome of the attempts at one target.
pub(super) enum TargetOutcome {
    Reply(TargetId, Box<Reply>),
    Stream(Box<CommittedStream>),
    Blocked(TargetId, Box<Block>),
    /// A failure that no other target may hide.
    Surfaced(Failure),
    /// No answer: the next target is tried.
    MoveOn,
}

impl TargetOutcome {
    /// Adds notes on changes to the request to the answer, if there is one.
    pub(super) fn with_notes(mut self, notes: Vec<Note>) -> Self {
        match &mut self {
            Self::Reply(_, reply) => reply.meta.notes.extend(notes),
            Self::Stream(committed) => committed.stream.meta.notes.extend(notes),
            Self::Blocked(..) | Self::Surfaced(_) | Self::MoveOn => {}
        }
        self
    }
}

/// A stream up to its first output, none of which the caller has seen yet.
pub(crate) struct OpenedStream {
    pub(crate) meta: Meta,
    /// The frames read so far.
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) rest: FrameStream,
}

/// A stream after its first output, with the call to settle when it ends.
pub(crate) struct CommittedStream {
    pub(crate) stream: OpenedStream,
    pub(crate) call: OpenCall,
}

impl CommittedStream {
    pub(crate) fn target(&self) -> &TargetId {
        self.call.target().id()
    }
}
