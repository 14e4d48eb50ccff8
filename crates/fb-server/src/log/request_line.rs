use std::fmt::{self, Write};

use fb::{Money, Report, RequestError, RequestId, ServedBy};
use humantime::Rfc3339Timestamp;
use serde::Serialize;

/// The status of a request that its caller left, as nginx has it.
const CLIENT_CLOSED_REQUEST: u16 = 499;
/// The tenant of requests without a key.
const DEFAULT_TENANT: &str = "default";

/// The log line of a request. It has names and numbers, but no text of the prompt, the answer or an error.
#[derive(Debug, Serialize)]
pub(super) struct RequestLine<'a> {
    #[serde(serialize_with = "as_text")]
    id: RequestId,
    route: &'a str,
    tenant: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(serialize_with = "as_text")]
    served_by: Source<'a>,
    attempts: u32,
    #[serde(rename = "service_level")]
    level: &'static str,
    ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(rename = "cost_usd", skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
}

/// The source of an answer, or `none`.
#[derive(Debug)]
struct Source<'a>(Option<&'a ServedBy>);

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(by) => by.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl<'a> RequestLine<'a> {
    pub(super) fn new(
        route: &'a str,
        tenant: Option<&'a str>,
        cancelled: bool,
        error: Option<RequestError>,
        report: &'a Report,
    ) -> Self {
        let status = if cancelled { CLIENT_CLOSED_REQUEST } else { error.map_or(200, |error| error.status) };
        let usage = report.usage();
        Self {
            id: report.id,
            route,
            tenant: tenant.unwrap_or(DEFAULT_TENANT),
            status,
            error: error.map(|error| error.code),
            served_by: Source(report.served_by.as_ref()),
            attempts: report.attempts(),
            level: report.level.name(),
            ms: u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
            input_tokens: usage.map(|usage| usage.input),
            output_tokens: usage.map(|usage| usage.output),
            cost: report.cost().map(dollars),
        }
    }

    /// Writes the line as `name=value` pairs.
    pub(super) fn write_text(&self, to: &mut String, time: &Rfc3339Timestamp) -> fmt::Result {
        let Self { id, route, tenant, status, .. } = self;
        write!(to, "{time} INFO request id={id} route={route:?} tenant={tenant:?} status={status}")?;
        if let Some(error) = self.error {
            write!(to, " error={error}")?;
        }
        let Self { served_by, attempts, level, ms, .. } = self;
        write!(to, " served_by={served_by} attempts={attempts} level={level} ms={ms}")?;
        if let (Some(input), Some(output)) = (self.input_tokens, self.output_tokens) {
            write!(to, " input_tokens={input} output_tokens={output}")?;
        }
        if let Some(cost) = self.cost {
            write!(to, " cost_usd={cost}")?;
        }
        to.push('\n');
        Ok(())
    }

    /// Writes the line as an object, with the fields of every other line of the log first.
    pub(super) fn write_json(&self, to: &mut String, time: &Rfc3339Timestamp) -> fmt::Result {
        #[derive(Serialize)]
        struct Line<'a> {
            timestamp: String,
            level: &'static str,
            message: &'static str,
            target: &'static str,
            #[serde(flatten)]
            request: &'a RequestLine<'a>,
        }
        let (level, message, target) = ("INFO", "request", "fb::request");
        let line = Line { timestamp: time.to_string(), level, message, target, request: self };
        to.push_str(&serde_json::to_string(&line).map_err(|_error| fmt::Error)?);
        to.push('\n');
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to nine million dollars")]
fn dollars(cost: Money) -> f64 {
    cost.nanos() as f64 / 1e9
}

fn as_text<S: serde::Serializer>(value: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use fb::{Attempt, AttemptEnd, Trace, Usage};

    use super::*;

    fn report() -> Report {
        let target: fb::TargetId = "backup/m".parse().unwrap();
        let usage = Some(Usage { input: 14, output: 200, ..Usage::default() });
        let end = AttemptEnd::Ok { usage, cost: Some(Money::from_nanos(3_100_000)) };
        let (at, took) = (Duration::ZERO, Duration::from_millis(400));
        let mut row = Attempt::new(target.clone(), 1, end);
        row.at = at;
        row.took = took;
        Report::with(|report| {
            report.id = RequestId::new(7);
            report.served_by = Some(ServedBy::Target(target));
            report.took = took;
            report.trace = Trace::new(vec![row]);
        })
    }

    fn print(line: &RequestLine<'_>) -> [String; 2] {
        let time = humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH);
        let (mut text, mut json) = (String::new(), String::new());
        line.write_text(&mut text, &time).unwrap();
        line.write_json(&mut json, &time).unwrap();
        [text, json]
    }

    #[test]
    fn line_has_id_tenant_route_status_tokens_and_cost_in_both_formats() {
        let report = report();
        let lines = print(&RequestLine::new("default", Some("acme"), false, None, &report));
        expect_test::expect![[r#"
            1970-01-01T00:00:00.000Z INFO request id=req_00000000000000000000000000000007 route="default" tenant="acme" status=200 served_by=backup/m attempts=1 level=full ms=400 input_tokens=14 output_tokens=200 cost_usd=0.0031
            {"timestamp":"1970-01-01T00:00:00.000Z","level":"INFO","message":"request","target":"fb::request","id":"req_00000000000000000000000000000007","route":"default","tenant":"acme","status":200,"served_by":"backup/m","attempts":1,"service_level":"full","ms":400,"input_tokens":14,"output_tokens":200,"cost_usd":0.0031}
        "#]].assert_eq(&lines.concat());
    }

    #[test]
    fn failed_and_cancelled_requests_have_their_status() {
        let mut report = report();
        report.served_by = None;
        report.trace = Trace::default();
        let error = Some(RequestError::new(503, "no_target"));
        let failed = print(&RequestLine::new("a \"b\"", None, false, error, &report));
        let [cancelled, _] = print(&RequestLine::new("default", None, true, None, &report));
        expect_test::expect![[r#"
            1970-01-01T00:00:00.000Z INFO request id=req_00000000000000000000000000000007 route="a \"b\"" tenant="default" status=503 error=no_target served_by=none attempts=0 level=full ms=400
            {"timestamp":"1970-01-01T00:00:00.000Z","level":"INFO","message":"request","target":"fb::request","id":"req_00000000000000000000000000000007","route":"a \"b\"","tenant":"default","status":503,"error":"no_target","served_by":"none","attempts":0,"service_level":"full","ms":400}
            1970-01-01T00:00:00.000Z INFO request id=req_00000000000000000000000000000007 route="default" tenant="default" status=499 served_by=none attempts=0 level=full ms=400
        "#]].assert_eq(&[failed.concat(), cancelled].concat());
    }
}
