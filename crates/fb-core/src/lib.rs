#![doc = include_str!("../README.md")]

mod asked;
mod block;
mod chat;
mod consequences;
mod eligibility;
mod envelope;
mod failure;
mod id;
mod json;
mod money;
mod observer;
mod overlay;
mod provider;
mod reply;
mod report;
mod request;
mod request_id;
mod stream;
mod trace;

pub use async_trait::async_trait;

pub use crate::{
    asked::Asked,
    block::{Block, BlockCategory, BlockForm},
    chat::{
        Chat, Effort, Extra, Format, Image, ImageSource, Message, Part, Role, Sampling, Schema, Tool,
        ToolCall, ToolChoice, ToolResult,
    },
    consequences::{Consequences, Cool, Hop, Retry, Verdict},
    eligibility::Eligibility,
    envelope::Envelope,
    failure::{Failure, FailureKind, Phase, UnknownFailureKind},
    id::{InvalidId, ProviderId, TargetId},
    json::{InvalidJson, Json},
    money::{Money, Price},
    observer::{Circuit, Event, Observer},
    overlay::Overlay,
    provider::{Call, CallError, Capabilities, Overrides, Probe, Provider, Refusal},
    reply::{FinishReason, Meta, Note, Raw, Reply, Usage},
    report::{CacheUse, Level, Report, ServedBy, UnknownLevel},
    request::{CacheControl, ChatRequest, Dialect, Field, Head, InvalidRequest, Options, RawBody, Rules},
    request_id::{InvalidRequestId, RequestId},
    stream::{Frame, FrameStream, StreamEvent, Streaming, ToolDelta},
    trace::{Attempt, AttemptEnd, Next, Skip, Trace},
};
