//! The serialized forms of reports and replies: text for names, whole milliseconds for times, as in the admin API.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::{
    Attempt, AttemptEnd, CacheUse, FailureKind, FinishReason, Level, Limit, Meta, Money, Next, Note,
    ProviderId, Reply, Report, RequestId, ServedBy, TargetId, ToolCall, Trace, Usage,
};

/// Serializes types as the text that they display.
macro_rules! as_text {
    ($($name:ty),+) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        })+
    };
}

as_text!(
    ProviderId,
    TargetId,
    RequestId,
    ServedBy,
    CacheUse,
    Level,
    Limit,
    FailureKind,
    Money,
    AttemptEnd,
    Next
);

impl Serialize for FinishReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Refusal => "refusal",
            Self::Other(name) => name,
        })
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            id: RequestId,
            primary: &'a Option<TargetId>,
            served_by: &'a Option<ServedBy>,
            level: Level,
            cache: &'a Option<CacheUse>,
            degraded: Option<&'a str>,
            limit: Option<Limit>,
            calls: u32,
            hops: u32,
            took_ms: u64,
            cost_usd: Option<Money>,
            trace: &'a Trace,
        }
        let Self { id, primary, hops, served_by, level, took, cache, degraded, limit, trace } = self;
        let fields = Fields {
            id: *id,
            primary,
            served_by,
            level: *level,
            cache,
            degraded: degraded.as_deref(),
            limit: *limit,
            calls: self.attempts(),
            hops: *hops,
            took_ms: millis(*took),
            cost_usd: self.cost(),
            trace,
        };
        fields.serialize(serializer)
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows().serialize(serializer)
    }
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            target: &'a TargetId,
            number: u32,
            key: Option<&'a str>,
            at_ms: u64,
            took_ms: u64,
            first_ms: Option<u64>,
            end: &'a AttemptEnd,
            failure: Option<FailureKind>,
            status: Option<u16>,
            detail: Option<&'a str>,
            usage: Option<Usage>,
            cost_usd: Option<Money>,
            reopens_ms: Option<u64>,
            next: Next,
        }
        let Self { target, number, key, at, took, first, end, next } = self;
        let failure = if let AttemptEnd::Failed(failure) = end { Some(failure) } else { None };
        let (usage, cost) = match end {
            AttemptEnd::Ok { usage, cost } => (*usage, *cost),
            AttemptEnd::Blocked { usage, .. } => (*usage, None),
            AttemptEnd::Running
            | AttemptEnd::Failed(_)
            | AttemptEnd::Cancelled
            | AttemptEnd::Skipped { .. } => (None, None),
        };
        let reopens = if let AttemptEnd::Skipped { reopens, .. } = end { *reopens } else { None };
        let fields = Fields {
            target,
            number: *number,
            key: key.as_deref(),
            at_ms: millis(*at),
            took_ms: millis(*took),
            first_ms: first.map(millis),
            end,
            failure: failure.map(crate::Failure::kind),
            status: failure.and_then(crate::Failure::status),
            detail: failure.map(crate::Failure::detail),
            usage,
            cost_usd: cost,
            reopens_ms: reopens.map(millis),
            next: *next,
        };
        fields.serialize(serializer)
    }
}

impl Serialize for Reply {
    /// Leaves out the body as received.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            id: Option<&'a str>,
            model: Option<&'a str>,
            text: &'a str,
            thinking: &'a str,
            tool_calls: &'a [ToolCall],
            finish: &'a FinishReason,
            usage: Option<Usage>,
            request_id: Option<&'a str>,
            notes: &'a [Note],
        }
        let Self { meta, id, model, text, thinking, tool_calls, finish, usage, raw: _, complete: _ } = self;
        let Meta { request_id, notes } = meta;
        let fields = Fields {
            id: id.as_deref(),
            model: model.as_deref(),
            text,
            thinking,
            tool_calls,
            finish,
            usage: *usage,
            request_id: request_id.as_deref(),
            notes,
        };
        fields.serialize(serializer)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::{Failure, Skip};

    fn row(number: u32, end: AttemptEnd, next: Next) -> Attempt {
        let took = if number > 0 { Duration::from_millis(38) } else { Duration::ZERO };
        let target = "a/m".parse().unwrap();
        Attempt { target, number, key: None, at: Duration::ZERO, took, first: None, end, next }
    }

    #[test]
    fn a_report_serializes_with_its_trace() {
        let failure = Failure::new(FailureKind::Overloaded, "try later").with_status(529);
        let usage = Some(Usage { input: 14, output: 200, ..Usage::default() });
        let cost = Some(Money::from_nanos(3_100_000));
        let reopens = Some(Duration::from_secs(5));
        let report = Report {
            served_by: Some(ServedBy::Target("a/m".parse().unwrap())),
            cache: Some(CacheUse::Miss),
            took: Duration::from_millis(80),
            trace: Trace::new(vec![
                row(0, AttemptEnd::Skipped { why: Skip::BreakerOpen, reopens }, Next::Hop),
                row(1, AttemptEnd::Failed(failure), Next::RetryIn(Duration::from_millis(4))),
                row(2, AttemptEnd::Ok { usage, cost }, Next::Nothing),
            ]),
            ..Report::default()
        };
        expect![[r#"
            {
              "id": "req_00000000000000000000000000000000",
              "primary": null,
              "served_by": "a/m",
              "level": "full",
              "cache": "miss",
              "degraded": null,
              "limit": null,
              "calls": 2,
              "hops": 0,
              "took_ms": 80,
              "cost_usd": "$0.0031",
              "trace": [
                {
                  "target": "a/m",
                  "number": 0,
                  "key": null,
                  "at_ms": 0,
                  "took_ms": 0,
                  "first_ms": null,
                  "end": "skipped: breaker open, reopens in 5.00 s",
                  "failure": null,
                  "status": null,
                  "detail": null,
                  "usage": null,
                  "cost_usd": null,
                  "reopens_ms": 5000,
                  "next": "hop"
                },
                {
                  "target": "a/m",
                  "number": 1,
                  "key": null,
                  "at_ms": 0,
                  "took_ms": 38,
                  "first_ms": null,
                  "end": "overloaded (529)",
                  "failure": "overloaded",
                  "status": 529,
                  "detail": "try later",
                  "usage": null,
                  "cost_usd": null,
                  "reopens_ms": null,
                  "next": "retry in 4 ms"
                },
                {
                  "target": "a/m",
                  "number": 2,
                  "key": null,
                  "at_ms": 0,
                  "took_ms": 38,
                  "first_ms": null,
                  "end": "ok  214 tokens  $0.0031",
                  "failure": null,
                  "status": null,
                  "detail": null,
                  "usage": {
                    "input": 14,
                    "output": 200,
                    "cached": 0,
                    "cache_written": 0,
                    "reasoning": 0
                  },
                  "cost_usd": "$0.0031",
                  "reopens_ms": null,
                  "next": ""
                }
              ]
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&report).unwrap());
    }

    #[test]
    fn a_reply_serializes_without_its_raw_body() {
        let raw = crate::Raw { dialect: crate::Dialect::OpenAi, bytes: "raw".into() };
        let meta = Meta { request_id: None, notes: vec![Note::new("seed", "not sent")] };
        let reply = Reply { text: "hi".to_owned(), raw: Some(raw), meta, ..Reply::default() };
        expect![[r#"{"id":null,"model":null,"text":"hi","thinking":"","tool_calls":[],"finish":"stop","usage":null,"request_id":null,"notes":[{"field":"seed","what":"not sent"}]}"#]].assert_eq(&serde_json::to_string(&reply).unwrap());
    }
}
