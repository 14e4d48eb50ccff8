use std::time::{Duration, SystemTime};

use fb_core::{
    Attempt, AttemptEnd, CacheUse, Failure, FailureKind, Level, Phase, Report, RequestId, RequestSummary,
    ServedBy, Skip, TargetId, Usage,
};
use serde::{Deserialize, Serialize};

use super::text;

/// The version of the line format.
const VERSION: u32 = 1;
/// Maximum number of characters in a name that a caller chose.
const MAX_NAME: usize = 256;

/// A finished request as it is recorded: names, numbers and kinds of failures, but no text of the prompt, the answer
/// or an error.
///
/// Serialized as one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordEntry {
    /// Version of the line format; see [`RecordEntry::is_known`].
    pub version: u32,
    /// Start of the request by the wall clock.
    #[serde(serialize_with = "text::to_millis", deserialize_with = "humantime_serde::deserialize")]
    pub began: SystemTime,
    /// The id that was returned to the caller.
    #[serde(with = "text")]
    pub id: RequestId,
    /// The route that served it.
    pub route: String,
    /// The value of `model` in the request.
    #[serde(rename = "asked")]
    pub model: String,
    /// The tenant; `None` stands for `default`.
    pub tenant: Option<String>,
    /// `true` if the caller requested a stream.
    pub stream: bool,
    /// Features that the request required of a target.
    pub needs: Vec<Need>,
    /// Estimated number of tokens of the prompt.
    pub input_tokens: u64,
    /// The caller's limit for the tokens of the answer.
    pub max_output: Option<u64>,
    /// The caller's own deadline in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The result of the request.
    pub outcome: RecordedOutcome,
    /// The source of the answer: a target, `cache` or `static`.
    pub by: Option<String>,
    /// The rung of the ladder on which the request was served.
    #[serde(with = "text")]
    pub level: Level,
    /// The result of the cache lookup; `None` without a cache.
    pub cache: Option<CacheResult>,
    /// Duration of the request in milliseconds.
    pub took_ms: u64,
    /// Cost of the calls in nano-dollars, as far as prices and tokens are known.
    pub cost_nanos: Option<u64>,
    /// The calls, in order; empty if they were made for another request.
    pub attempts: Vec<RecordedCall>,
    /// Targets that were not called, in order.
    pub skips: Vec<RecordedSkip>,
}

/// A feature that a request requires of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Need {
    /// Tool calls.
    Tools,
    /// Answers that follow a JSON schema.
    Schema,
    /// Images in the prompt.
    Vision,
}

/// The result of a request, as far as a backtest distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordedOutcome {
    /// A complete answer.
    Ok,
    /// A content-policy refusal.
    Blocked,
    /// A stream that broke after its first output.
    Cut,
    /// No answer.
    Failed,
    /// The caller cancelled the request before an answer was complete.
    #[serde(rename = "left")]
    Cancelled,
}

/// The result of a cache lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheResult {
    /// No entry was found.
    Miss,
    /// The calls of an identical request in flight answered both.
    Coalesced,
    /// A fresh entry was found.
    Hit,
    /// A stale entry was served because no target answered.
    Stale,
}

/// One call to a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// The target that was called.
    #[serde(with = "text")]
    pub target: TargetId,
    /// Number of the call to this target within the request, from 1.
    pub number: u32,
    /// Start of the call in milliseconds since the start of the request.
    pub at_ms: u64,
    /// Duration of the call in milliseconds.
    pub took_ms: u64,
    /// Time from the start of the call to the first output of its stream, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ms: Option<u64>,
    /// The result of the call.
    pub end: CallEnd,
    /// The failure of a failed call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<RecordedFailure>,
    /// Tokens, if the provider reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Tokens>,
}

/// The result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallEnd {
    /// A complete answer.
    Ok,
    /// A failure.
    Failed,
    /// A content-policy refusal.
    Blocked,
    /// Cancelled by the caller, or because another call won.
    Cancelled,
}

/// The classification of a failure, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFailure {
    #[serde(with = "text")]
    kind: FailureKind,
    /// The phase of a timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    should_retry: Option<bool>,
}

/// Numbers of tokens as reported by the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

/// A target that was not called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedSkip {
    /// The target that was skipped.
    #[serde(with = "text")]
    pub target: TargetId,
    /// Time of the decision in milliseconds since the start of the request.
    pub at_ms: u64,
    /// The reason, from a fixed vocabulary.
    pub why: String,
}

impl RecordEntry {
    /// Creates the entry of a request that finishes at `now`. The calls of a `coalesced` request are left out,
    /// because the entry of the request that made them contains them.
    pub fn new(
        route: &str,
        tenant: Option<&str>,
        request: &RequestSummary,
        outcome: RecordedOutcome,
        coalesced: bool,
        report: &Report,
        now: SystemTime,
    ) -> Self {
        let cache = report.cache.as_ref().map(|used| match used {
            CacheUse::Miss => CacheResult::Miss,
            CacheUse::Coalesced => CacheResult::Coalesced,
            CacheUse::Hit { .. } => CacheResult::Hit,
            CacheUse::Stale { .. } => CacheResult::Stale,
        });
        let rows = if coalesced { &[] } else { report.trace.rows() };
        let cost = report.cost().filter(|_| !coalesced);
        let needs = [
            (request.tools, Need::Tools),
            (request.json_schema, Need::Schema),
            (request.vision, Need::Vision),
        ];
        Self {
            version: VERSION,
            began: whole_millis(now.checked_sub(report.took).unwrap_or(now)),
            id: report.id,
            route: route.to_owned(),
            model: short(&request.model),
            tenant: tenant.map(short),
            stream: request.stream,
            needs: needs.into_iter().filter_map(|(needed, need)| needed.then_some(need)).collect(),
            input_tokens: request.input_tokens,
            max_output: request.max_output,
            timeout_ms: request.timeout.map(millis),
            outcome,
            by: report.served_by.as_ref().map(ToString::to_string),
            level: report.level,
            cache,
            took_ms: millis(report.took),
            cost_nanos: cost.map(fb_core::Money::nanos),
            attempts: rows.iter().filter_map(RecordedCall::from_attempt).collect(),
            skips: rows.iter().filter_map(RecordedSkip::from_attempt).collect(),
        }
    }

    /// Returns `true` if this version of the crate can interpret the line format.
    pub const fn is_known(&self) -> bool {
        self.version == VERSION
    }
}

impl RecordedOutcome {
    /// Derives the outcome from the report of a finished request; `cancelled` is `true` if the caller cancelled it.
    pub fn from_report(report: &Report, cancelled: bool) -> Self {
        let rows = report.trace.rows();
        if rows.iter().any(|row| matches!(row.end, AttemptEnd::Blocked { .. })) {
            return Self::Blocked;
        }
        match &report.served_by {
            _ if cancelled => Self::Cancelled,
            None => Self::Failed,
            Some(ServedBy::Cache | ServedBy::Static) => Self::Ok,
            // Only the call of the target that answered counts; calls that lost a race against it were cancelled.
            Some(ServedBy::Target(by)) => match rows.iter().rev().find(|row| row.target == *by) {
                Some(Attempt { end: AttemptEnd::Failed(_), .. }) => Self::Cut,
                _ => Self::Ok,
            },
        }
    }
}

impl RecordedCall {
    fn from_attempt(row: &Attempt) -> Option<Self> {
        let tokens = |usage: &Usage| Tokens { input: usage.input, output: usage.output };
        let (end, failure, usage) = match &row.end {
            AttemptEnd::Ok { usage, .. } => (CallEnd::Ok, None, usage.as_ref()),
            AttemptEnd::Failed(failure) => {
                (CallEnd::Failed, Some(RecordedFailure::from_failure(failure)), None)
            }
            AttemptEnd::Blocked { usage, .. } => (CallEnd::Blocked, None, usage.as_ref()),
            AttemptEnd::Cancelled | AttemptEnd::Running => (CallEnd::Cancelled, None, None),
            AttemptEnd::Skipped { .. } => return None,
        };
        Some(Self {
            target: row.target.clone(),
            number: row.number,
            at_ms: millis(row.at),
            took_ms: millis(row.took),
            first_ms: row.first.map(millis),
            end,
            failure,
            usage: usage.map(tokens),
        })
    }
}

impl RecordedSkip {
    fn from_attempt(row: &Attempt) -> Option<Self> {
        let AttemptEnd::Skipped { why, .. } = &row.end else { return None };
        let why = match why {
            // The reason may quote the request; the field's name does not.
            Skip::Inadmissible(refusal) => format!("inadmissible: {}", short(&refusal.field)),
            why => why.to_string(),
        };
        Some(Self { target: row.target.clone(), at_ms: millis(row.at), why })
    }
}

const PHASES: [(Phase, &str); 5] = [
    (Phase::Connect, "connect"),
    (Phase::FirstByte, "first_byte"),
    (Phase::FirstToken, "first_token"),
    (Phase::Idle, "idle"),
    (Phase::Total, "total"),
];

impl RecordedFailure {
    /// Extracts the classification of a failure and drops its text.
    pub fn from_failure(failure: &Failure) -> Self {
        let kind = failure.kind();
        let word =
            |(phase, word): (Phase, &str)| (kind == FailureKind::Timeout(phase)).then(|| word.to_owned());
        Self {
            kind,
            phase: PHASES.into_iter().find_map(word),
            status: failure.status(),
            hint_ms: failure.retry_after().map(millis),
            should_retry: failure.should_retry(),
        }
    }

    /// The kind, including the details that its name omits.
    pub fn kind(&self) -> FailureKind {
        match self.kind {
            FailureKind::Timeout(_) => {
                let named = PHASES.into_iter().find(|(_, word)| self.phase.as_deref() == Some(word));
                FailureKind::Timeout(named.map_or(Phase::Total, |(phase, _)| phase))
            }
            FailureKind::Unknown { .. } => {
                FailureKind::Unknown { server: self.status.is_none_or(|status| status >= 500) }
            }
            kind => kind,
        }
    }

    /// The HTTP status, if the provider responded.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// The delay before a retry that the provider requested.
    pub fn hint(&self) -> Option<Duration> {
        self.hint_ms.map(Duration::from_millis)
    }

    /// Reconstructs a failure with the same classification.
    pub fn failure(&self) -> Failure {
        let failure = Failure::new(self.kind(), "as recorded")
            .with_retry_after(self.hint())
            .with_should_retry(self.should_retry);
        match self.status {
            Some(status) => failure.with_status(status),
            None => failure,
        }
    }
}

/// Cuts a name that a caller chose to a bounded length.
fn short(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn whole_millis(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis(since))
}
