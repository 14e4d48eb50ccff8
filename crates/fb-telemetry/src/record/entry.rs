use std::time::{Duration, SystemTime};

use fb_core::{
    Asked, Attempt, AttemptEnd, CacheUse, Failure, FailureKind, Level, Phase, Report, RequestId, ServedBy,
    Skip, TargetId, Usage,
};
use serde::{Deserialize, Serialize};

use super::text;

/// The form of a line.
const VERSION: u32 = 1;
/// Most characters of a name that a caller chose.
const MAX_NAME: usize = 256;

/// One finished request: names, numbers and kinds of failures; nothing that anybody wrote.
///
/// Printed by `serde` as one line of JSON, and read back from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The form of the line; see [`Entry::is_known`].
    pub version: u32,
    /// When it began, by the wall clock.
    #[serde(serialize_with = "text::to_millis", deserialize_with = "humantime_serde::deserialize")]
    pub began: SystemTime,
    /// The id that its caller was told.
    #[serde(with = "text")]
    pub id: RequestId,
    /// The route that served it.
    pub route: String,
    /// What the caller put into `model`.
    pub asked: String,
    /// For whom it was made; `None`: `default`.
    pub tenant: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What a target had to be able to do.
    pub needs: Vec<Need>,
    /// Estimated tokens of the prompt.
    pub input_tokens: u64,
    /// Most tokens of the answer, if its caller said so.
    pub max_output: Option<u64>,
    /// The caller's own deadline.
    pub timeout_ms: Option<u64>,
    /// What it came to.
    pub outcome: Outcome,
    /// Who answered: a target, `cache` or `static`.
    pub by: Option<String>,
    /// On which rung of the ladder.
    #[serde(with = "text")]
    pub level: Level,
    /// What the cache had to do with it; `None` where there is none.
    pub cache: Option<Cached>,
    /// In milliseconds.
    pub took_ms: u64,
    /// What its calls cost, as far as prices and tokens are known.
    pub cost_nanos: Option<u64>,
    /// Its calls, in order; none if they were made for another request.
    pub attempts: Vec<Called>,
    /// Targets that were not called, in order.
    pub skips: Vec<Skipped>,
}

/// What a target must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Call functions.
    Tools,
    /// Follow a JSON schema.
    Schema,
    /// See pictures.
    Vision,
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A whole answer.
    Ok,
    /// A content-policy refusal.
    Blocked,
    /// A stream that broke after its first output.
    Cut,
    /// No answer.
    Failed,
    /// The caller left before there was one.
    Left,
}

/// What the cache had to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cached {
    /// It was looked into in vain.
    Miss,
    /// Another request's calls answered both.
    Coalesced,
    /// A fresh answer was kept.
    Hit,
    /// An old answer was given in place of none.
    Stale,
}

/// One call to a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// Who was called.
    #[serde(with = "text")]
    pub target: TargetId,
    /// Which call to it in this request, from 1.
    pub number: u32,
    /// When it began, since the request did.
    pub at_ms: u64,
    /// Until its end.
    pub took_ms: u64,
    /// When the first output of its stream was there, since the call began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ms: Option<u64>,
    /// How it ended.
    pub end: End,
    /// Why, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Fault>,
    /// Tokens, if its provider counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Tokens>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// With a whole answer.
    Ok,
    /// With a failure.
    Failed,
    /// With a content-policy refusal.
    Blocked,
    /// The caller left, or another call won.
    Cancelled,
}

/// What is known of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    #[serde(with = "text")]
    kind: FailureKind,
    /// Where the time ran out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    should_retry: Option<bool>,
}

/// What a provider counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

/// A target that was not called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Who was not.
    #[serde(with = "text")]
    pub target: TargetId,
    /// When, since the request began.
    pub at_ms: u64,
    /// Why, in words of the code.
    pub why: String,
}

impl Entry {
    /// The line of a request that ends `now`; `shared` calls are in the line of the request that made them.
    pub fn of(
        route: &str,
        tenant: Option<&str>,
        asked: &Asked,
        outcome: Outcome,
        shared: bool,
        report: &Report,
        now: SystemTime,
    ) -> Self {
        let cache = report.cache.as_ref().map(|used| match used {
            CacheUse::Miss => Cached::Miss,
            CacheUse::Coalesced => Cached::Coalesced,
            CacheUse::Hit { .. } => Cached::Hit,
            CacheUse::Stale { .. } => Cached::Stale,
        });
        let rows = if shared { &[] } else { report.trace.rows() };
        let cost = report.cost().filter(|_| !shared);
        let needs =
            [(asked.tools, Need::Tools), (asked.json_schema, Need::Schema), (asked.vision, Need::Vision)];
        Self {
            version: VERSION,
            began: whole_millis(now.checked_sub(report.took).unwrap_or(now)),
            id: report.id,
            route: route.to_owned(),
            asked: short(&asked.model),
            tenant: tenant.map(short),
            stream: asked.stream,
            needs: needs.into_iter().filter_map(|(needed, need)| needed.then_some(need)).collect(),
            input_tokens: asked.input_tokens,
            max_output: asked.max_output,
            timeout_ms: asked.timeout.map(millis),
            outcome,
            by: report.served_by.as_ref().map(ToString::to_string),
            level: report.level,
            cache,
            took_ms: millis(report.took),
            cost_nanos: cost.map(fb_core::Money::nanos),
            attempts: rows.iter().filter_map(Called::of).collect(),
            skips: rows.iter().filter_map(Skipped::of).collect(),
        }
    }

    /// Whether the form of the line is one that is known.
    pub const fn is_known(&self) -> bool {
        self.version == VERSION
    }
}

impl Outcome {
    /// What the report of a finished request says; `left`: its caller did, before it was over.
    pub fn of(report: &Report, left: bool) -> Self {
        let rows = report.trace.rows();
        if rows.iter().any(|row| matches!(row.end, AttemptEnd::Blocked { .. })) {
            return Self::Blocked;
        }
        match &report.served_by {
            _ if left => Self::Left,
            None => Self::Failed,
            Some(ServedBy::Cache | ServedBy::Static) => Self::Ok,
            // Calls that raced with the one that answered were cancelled; what counts is how that one ended.
            Some(ServedBy::Target(by)) => match rows.iter().rev().find(|row| row.target == *by) {
                Some(Attempt { end: AttemptEnd::Failed(_), .. }) => Self::Cut,
                _ => Self::Ok,
            },
        }
    }
}

impl Called {
    fn of(row: &Attempt) -> Option<Self> {
        let tokens = |usage: &Usage| Tokens { input: usage.input, output: usage.output };
        let (end, failure, usage) = match &row.end {
            AttemptEnd::Ok { usage, .. } => (End::Ok, None, usage.as_ref()),
            AttemptEnd::Failed(failure) => (End::Failed, Some(Fault::of(failure)), None),
            AttemptEnd::Blocked { usage, .. } => (End::Blocked, None, usage.as_ref()),
            AttemptEnd::Cancelled | AttemptEnd::Running => (End::Cancelled, None, None),
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

impl Skipped {
    fn of(row: &Attempt) -> Option<Self> {
        let AttemptEnd::Skipped { why, .. } = &row.end else { return None };
        let why = match why {
            // The reason may repeat what the caller wrote; the field's name does not.
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

impl Fault {
    /// What may be known of a failure: none of its words.
    pub fn of(failure: &Failure) -> Self {
        let kind = failure.kind();
        let word =
            |(phase, word): (Phase, &str)| (kind == FailureKind::Timeout(phase)).then(|| word.to_owned());
        Self {
            kind,
            phase: PHASES.into_iter().find_map(word),
            status: failure.status(),
            hint_ms: failure.hint().map(millis),
            should_retry: failure.should_retry(),
        }
    }

    /// The kind with all that its name leaves out.
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

    /// The HTTP status, if there was an answer.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// How long its provider asked to wait.
    pub fn hint(&self) -> Option<Duration> {
        self.hint_ms.map(Duration::from_millis)
    }

    /// A failure of which the same is known.
    pub fn failure(&self) -> Failure {
        let failure = Failure::new(self.kind(), "as recorded")
            .with_hint(self.hint())
            .with_should_retry(self.should_retry);
        match self.status {
            Some(status) => failure.with_status(status),
            None => failure,
        }
    }
}

/// A name that a caller chose, cut to a bounded length.
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
