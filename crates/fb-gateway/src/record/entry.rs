use std::time::{Duration, SystemTime};

use fb::{
    Asked, Attempt, AttemptEnd, CacheUse, Failure, FailureKind, Level, Phase, Report, RequestId, ServedBy,
    Skip, TargetId, Usage,
};
use serde::{Deserialize, Serialize};

use super::text;
use crate::out::millis;

/// The form of a line.
const VERSION: u32 = 1;
/// Most characters of a name that a caller chose.
const MAX_NAME: usize = 256;

/// One finished request: names, numbers and kinds of failures; nothing that anybody wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) version: u32,
    /// When it began, by the wall clock.
    #[serde(serialize_with = "text::to_millis", deserialize_with = "humantime_serde::deserialize")]
    pub(crate) began: SystemTime,
    #[serde(with = "text")]
    pub(crate) id: RequestId,
    /// The route that served it.
    pub(crate) route: String,
    /// What the caller put into `model`.
    pub(crate) asked: String,
    pub(crate) tenant: Option<String>,
    pub(crate) stream: bool,
    pub(crate) needs: Vec<Need>,
    pub(crate) input_tokens: u64,
    pub(crate) max_output: Option<u64>,
    /// The caller's own deadline.
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) outcome: Outcome,
    /// Who answered: a target, `cache` or `static`.
    pub(crate) by: Option<String>,
    #[serde(with = "text")]
    pub(crate) level: Level,
    pub(crate) cache: Option<Cached>,
    pub(crate) took_ms: u64,
    pub(crate) cost_nanos: Option<u64>,
    pub(crate) attempts: Vec<Called>,
    pub(crate) skips: Vec<Skipped>,
}

/// What a target must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Need {
    Tools,
    Schema,
    Vision,
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
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
pub(crate) enum Cached {
    Miss,
    Coalesced,
    Hit,
    Stale,
}

/// One call to a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Called {
    #[serde(with = "text")]
    pub(crate) target: TargetId,
    pub(crate) number: u32,
    /// Since the request began.
    pub(crate) at_ms: u64,
    pub(crate) took_ms: u64,
    /// When the first output of its stream was there, since the call began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_ms: Option<u64>,
    pub(crate) end: End,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Fault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Tokens>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum End {
    Ok,
    Failed,
    Blocked,
    /// The caller left, or another call won.
    Cancelled,
}

/// What is known of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    #[serde(with = "text")]
    pub(crate) kind: FailureKind,
    /// Where the time ran out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hint_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) should_retry: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// A target that was not called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skipped {
    #[serde(with = "text")]
    pub(crate) target: TargetId,
    pub(crate) at_ms: u64,
    pub(crate) why: String,
}

impl Entry {
    /// The line of a request that ends `now`; `shared` calls are in the line of the request that made them.
    pub(crate) fn of(
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
            cost_nanos: cost.map(fb::Money::nanos),
            attempts: rows.iter().filter_map(Called::of).collect(),
            skips: rows.iter().filter_map(Skipped::of).collect(),
        }
    }

    /// Whether the form is one that is known.
    pub(crate) const fn is_known(&self) -> bool {
        self.version == VERSION
    }
}

impl Outcome {
    pub(crate) fn of(report: &Report, left: bool) -> Self {
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
    pub(crate) fn of(failure: &Failure) -> Self {
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
    pub(crate) fn kind(&self) -> FailureKind {
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

    pub(crate) fn failure(&self) -> Failure {
        let failure = Failure::new(self.kind(), "as recorded")
            .with_hint(self.hint_ms.map(Duration::from_millis))
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

fn whole_millis(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis(since))
}
