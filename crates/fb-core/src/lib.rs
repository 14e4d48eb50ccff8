#![doc = include_str!("../README.md")]

mod with;

mod block;
mod chat;
mod consequences;
mod dialect;
mod eligibility;
mod envelope;
mod failure;
mod id;
mod invalid_config;
mod json;
mod money;
mod observer;
mod overlay;
mod preset;
mod provider;
mod reply;
mod report;
mod request;
mod request_builder;
mod request_id;
mod request_summary;
mod scope;
mod serialize;
mod stream;
mod trace;
mod usage;

pub use async_trait::async_trait;

pub use crate::{
    block::{Block, BlockCategory, BlockForm},
    chat::{
        Chat, Effort, Extra, Format, Image, ImageSource, Message, Part, Role, Sampling, Schema, Tool,
        ToolCall, ToolChoice, ToolResult,
    },
    consequences::{Consequences, Cooldown, Hop, Reach, Retry, Verdict},
    dialect::Dialect,
    eligibility::Eligibility,
    envelope::Envelope,
    failure::{Failure, FailureKind, Phase, UnknownFailureKind},
    id::{InvalidId, ProviderId, TargetId},
    invalid_config::InvalidConfig,
    json::{InvalidJson, Json},
    money::{Money, Price},
    observer::{BreakerState, Event, Observer, RequestError},
    overlay::Overlay,
    preset::preset_or_table,
    provider::{
        AnswerHead, Call, CallError, CallKey, Capabilities, KeyInfo, KeyObserver, Overrides, Probe, Provider,
        RateLimits, Refusal,
    },
    reply::{FinishReason, Meta, Note, Raw, Reply},
    report::{CacheUse, Level, Limit, Report, ServedBy, UnknownLevel},
    request::{CacheControl, ChatRequest, Field, Head, InvalidRequest, Options, RawBody, Rules},
    request_builder::RequestBuilder,
    request_id::{InvalidRequestId, RequestId},
    request_summary::RequestSummary,
    scope::Scope,
    stream::{Frame, FrameStream, StreamEvent, Streaming, ToolDelta},
    trace::{Attempt, AttemptEnd, Next, Skip, Trace},
    usage::Usage,
};
