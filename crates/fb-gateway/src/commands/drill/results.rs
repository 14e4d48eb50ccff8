//! The results of outages, and their table.

use std::time::Duration;

use fb::Level;

use super::outage::{Down, Fault};
use crate::stdout::table;

/// The results of the requests during one outage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OutageResult {
    pub(super) route: String,
    pub(super) down: Down,
    pub(super) fault: Fault,
    pub(super) requests: Vec<RequestResult>,
}

/// The result of one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RequestResult {
    /// The target or cache that answered, or the error of the client.
    pub(super) answered_by: Result<String, String>,
    /// The level of the answer; `None` for an error.
    pub(super) level: Option<Level>,
    /// Calls to all targets.
    pub(super) calls: u32,
    /// Time to the answer or error.
    pub(super) took: Duration,
}

impl OutageResult {
    /// Returns whether only one target was down.
    pub(super) const fn is_single(&self) -> bool {
        matches!(self.down, Down::One(_))
    }

    pub(super) fn has_error(&self) -> bool {
        self.requests.iter().any(|request| request.answered_by.is_err())
    }

    /// Lists the sources of the answers in order of appearance, with counts if there are several.
    fn answers(&self) -> String {
        let mut counted: Vec<(&str, usize)> = Vec::new();
        for request in &self.requests {
            let source = match &request.answered_by {
                Ok(source) | Err(source) => source.as_str(),
            };
            match counted.iter_mut().find(|(known, _)| *known == source) {
                Some((_, count)) => *count += 1,
                None => counted.push((source, 1)),
            }
        }
        match counted.as_slice() {
            [(source, _)] => (*source).to_owned(),
            _ => counted
                .iter()
                .map(|(source, count)| format!("{count} {source}"))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// Returns the name of the lowest level of an answer, or `error` if a request failed.
    fn level(&self) -> &'static str {
        if self.has_error() {
            return "error";
        }
        self.requests.iter().filter_map(|request| request.level).max().unwrap_or_default().name()
    }

    fn row(&self) -> Vec<String> {
        let calls: u32 = self.requests.iter().map(|request| request.calls).sum();
        let times = || self.requests.iter().map(|request| request.took);
        vec![
            self.route.clone(),
            self.down.to_string(),
            self.fault.to_string(),
            self.answers(),
            self.level().to_owned(),
            calls.to_string(),
            seconds(times().max()),
            seconds(times().next_back()),
        ]
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map(|time| format!("{:.1} s", time.as_secs_f64())).unwrap_or_default()
}

/// Formats the table of all outages and a summary.
pub(super) fn print(results: &[OutageResult], requests: u32) -> String {
    let head = ["route", "down", "fails with", "answered by", "level", "calls", "slowest", "last"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(results.iter().map(OutageResult::row));
    let summary = |scope: &str, single: bool| {
        let outages = || results.iter().filter(|result| result.is_single() == single);
        let (all, failed) = (outages().count(), outages().filter(|result| result.has_error()).count());
        format!("{scope}: {all} outages, {} survived, {failed} with errors", all - failed)
    };
    [
        table(&rows, 3),
        String::new(),
        summary("one target down", true),
        summary("all targets down", false),
        format!("requests per outage: {requests}, in virtual time; no provider was called"),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn result(
        answered_by: Result<&str, &str>,
        level: Option<Level>,
        calls: u32,
        millis: u64,
    ) -> RequestResult {
        let answered_by = answered_by.map(str::to_owned).map_err(str::to_owned);
        RequestResult { answered_by, level, calls, took: Duration::from_millis(millis) }
    }

    #[test]
    fn row_counts_the_answers_and_has_the_worst_level() {
        let route = "default".to_owned();
        let one = OutageResult {
            route: route.clone(),
            down: Down::One("a/m".parse().unwrap()),
            fault: Fault::Hang,
            requests: vec![
                result(Ok("b/m"), Some(Level::Full), 2, 30_500),
                result(Ok("b/m"), Some(Level::Full), 1, 500),
                result(Ok("cache"), Some(Level::Cached), 0, 0),
            ],
        };
        let error = Err("503 all_targets_unavailable");
        let all = OutageResult {
            route,
            down: Down::All,
            fault: Fault::Unavailable,
            requests: vec![result(error, None, 4, 1_234), result(error, None, 0, 10_000)],
        };
        expect![[r#"
            route    down         fails with  answered by                  level   calls  slowest    last
            default  a/m          no answer   2 b/m, 1 cache               cached      3   30.5 s   0.0 s
            default  all targets  503         503 all_targets_unavailable  error       4   10.0 s  10.0 s

            one target down: 1 outages, 1 survived, 0 with errors
            all targets down: 1 outages, 0 survived, 1 with errors
            requests per outage: 3, in virtual time; no provider was called"#]]
        .assert_eq(&print(&[one, all], 3));
    }
}
