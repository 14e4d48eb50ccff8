#![doc = include_str!("../README.md")]

mod answer;
mod builder;
mod catalog;
mod change;
mod client;
mod clock;
mod config;
mod destination;
mod engine;
mod error;
mod evaluations;
mod ladder;
mod mechanisms;
mod parts;
mod route;
mod stats;
mod target;
mod thinking;
mod time_limits;
mod traces;

/// The provider adapters.
pub mod providers {
    pub use fb_providers::*;
}

pub use fb_breaker::{Breaker, BreakerConfig, Mode, Override, State};
pub use fb_budget::{
    AccountStats, Allowance, Allowances, KeyLimits, LedgerConfig, Limits, PriceBook, PriceConfig,
    PriceConfigs, Standing, Tier,
};
pub use fb_cache::{CacheConfig, Purge, Stats as CacheStats};
pub use fb_core::{
    Attempt, AttemptEnd, Block, BlockCategory, BlockForm, CacheControl, CacheUse, Call, CallError,
    Capabilities, Chat, ChatRequest, Dialect, Eligibility, Event, Failure, FailureKind, FinishReason, Format,
    Frame, FrameStream, Head, Image, ImageSource, InvalidConfig, InvalidRequest, Json, Level, Message, Meta,
    Money, Next, Note, Observer, Options, Part, Phase, Price, Probe, Provider, ProviderId, Raw, Refusal,
    Reply, Report, RequestId, RequestSummary, Role, Rules, Schema, ServedBy, Skip, StreamEvent, Streaming,
    TargetId, Tool, ToolCall, ToolChoice, Trace, UnknownLevel, Usage, preset_or_table,
};
pub use fb_health::{
    Check, Condition, HealthConfig, LastCheck, Latency, ProbeConfig, ProbeKind, Prober,
    Status as HealthStatus,
};
pub use fb_quality::{
    AnswerContent, CalledTool, Defect, Expect, Expectation, Gate, GateKind, Losses, MaxLoss, Mismatch,
    QualityConfig, difference,
};
pub use fb_retry::{BudgetConfig, RetryConfig};
pub use fb_router::{
    ClassRoutes, Classifier, ComplexRules, Complexity, Evidence, Facts, HedgeAfter, HedgeConfig,
    MissingPrice, Plan, RaceConfig, Rules as ComplexityRules, Savings, ServedRequest, Signals, SimpleRules,
    StickyBy, StickyConfig, Strategy, savings,
};

pub use crate::{
    answer::Answer,
    builder::Builder,
    change::{Change, ChangeError},
    client::Client,
    config::{Config, Tenant, TenantKey},
    destination::Destination,
    engine::stream::ChatStream,
    error::{BuildError, Ended, Error, ErrorCode, ErrorType, HttpError},
    evaluations::Evaluations,
    ladder::{Feature, LadderConfig, OfflineConfig, RouteLevel, Rung},
    route::{CacheKey, Route, RouteCache, UnavailablePolicy},
    stats::{KeyStatus, ProviderStats, Stats, SuccessCounts, TargetStats},
    target::{Target, TargetCapabilities},
    traces::{Record, TracesConfig},
};

/// Compiles the examples of the root README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct RootReadme;

/// Compiles the examples of the guide page for Rust programs.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/library.md")]
struct LibraryGuide;

/// Compiles and runs the examples of the guide page that maps the classes of tutorials.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/from-the-tutorials.md")]
struct TutorialsGuide;
