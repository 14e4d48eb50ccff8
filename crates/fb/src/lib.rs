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
#[cfg(feature = "telemetry")]
mod observable;
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

#[cfg(feature = "telemetry")]
/// Metrics, tracing and drift: observers for [`Builder::observer`](crate::Builder::observer).
///
/// # Examples
///
/// Metrics of a client, for a Prometheus server to scrape:
///
/// ```
/// use fb::{Client, Route, Target, providers::Ollama, telemetry::Metrics};
///
/// let route = Route::priority("default", [Target::new("local", "llama3.2")]);
/// let client = Client::builder().provider("local", Ollama::local()).route(route).build()?;
/// let metrics = Metrics::of(&client);
/// assert!(metrics.render().contains(r#"fb_breaker_state{target="local/llama3.2",state="closed"} 1"#));
/// # Ok::<(), fb::Error>(())
/// ```
pub mod telemetry {
    pub use fb_telemetry::*;
}

/// The consequences of each kind of failure, which [`FailureKind::consequences`](crate::FailureKind::consequences)
/// returns.
pub mod consequences {
    pub use fb_core::{Consequences, Cooldown, Hop, Reach, Retry, Verdict};
}

pub use fb_breaker::{
    Breaker, BreakerConfig, HalfOpenConfig, Mode, OpenConfig, Override, OverrideSnapshot, Permit,
    ProvisionalPermit, RampConfig as BreakerRampConfig, RejectReason, Rejected, SlowConfig,
    Snapshot as BreakerSnapshot, State, Transition, TransitionReason, Weight, WindowConfig,
};
pub use fb_budget::{
    AccountStats, Allowance, Allowances, KeyLimits, LedgerConfig, LedgerError, LedgerErrorKind,
    Limit as BudgetLimit, Limits, OnStall, PriceBook, PriceConfig, PriceConfigs, Standing, Tally,
    TargetPrices, Tier, TokenPrices,
};
pub use fb_cache::{CacheConfig, Purge, Stats as CacheStats};
pub use fb_core::{
    AnswerHead, Attempt, AttemptEnd, Block, BlockCategory, BlockForm, BreakerState, CacheControl, CacheUse,
    Call, CallError, CallKey, Capabilities, Chat, ChatRequest, Dialect, Effort, Eligibility, Event, Extra,
    Failure, FailureKind, Field, FinishReason, Format, Frame, FrameStream, Head, Image, ImageSource,
    InvalidConfig, InvalidId, InvalidJson, InvalidRequest, InvalidRequestId, Json, KeyInfo, KeyObserver,
    Level, Limit, Message, Meta, Money, Next, Note, Observer, Options, Overlay, Overrides, Part, Phase,
    Price, Probe, Provider, ProviderId, RateLimits, Raw, RawBody, Refusal, Reply, Report, RequestBuilder,
    RequestError, RequestId, RequestSummary, Role, Rules, Sampling, Schema, Scope, ServedBy, Skip,
    StreamEvent, Streaming, TargetId, Tool, ToolCall, ToolChoice, ToolDelta, ToolResult, Trace,
    UnknownFailureKind, UnknownLevel, Usage, async_trait, preset_or_table,
};
pub use fb_health::{
    Check, Condition, Decay, ErrorsConfig, HealthConfig, LastCheck, Latency, Origin, OutlierConfig,
    PanicConfig, ProbeConfig, ProbeKind, Prober, RampConfig as HealthRampConfig, Status as HealthStatus,
};
pub use fb_quality::{
    AnswerContent, CalledTool, Defect, Expect, Expectation, Gate, GateKind, Loss, Losses, MaxLoss, Mismatch,
    QualityConfig, Severity, TooMuchLost, difference,
};
pub use fb_retry::{BudgetConfig, Curve, Jitter, RetryConfig};
pub use fb_router::{
    ClassRoutes, Classifier, ComplexRules, Complexity, Evidence, Facts, HedgeAfter, HedgeConfig,
    Inadmissible, MissingPrice, Needs, Plan, RaceConfig, RankReason, Ranked, Rules as ComplexityRules,
    Savings, ServedRequest, Signals, SimpleRules, Start, StickyBy, StickyConfig, Strategy, savings,
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
