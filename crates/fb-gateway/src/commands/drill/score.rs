use std::time::Duration;

use fb::Level;

use super::outage::{Down, Fault};
use crate::stdout::table;

/// What became of the requests during one outage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Score {
    pub(super) route: String,
    pub(super) down: Down,
    pub(super) fault: Fault,
    pub(super) outcomes: Vec<Outcome>,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// Who answered, or the error.
    pub(super) answer: Result<String, String>,
    /// At which level; `None` for an error.
    pub(super) level: Option<Level>,
    /// Calls made to targets.
    pub(super) calls: u32,
    /// How long it took.
    pub(super) took: Duration,
}

impl Score {
    /// Whether only one target was down.
    pub(super) const fn is_single(&self) -> bool {
        matches!(self.down, Down::One(_))
    }

    pub(super) fn has_error(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.answer.is_err())
    }

    /// Who answered, in order, and how often where that is more than one.
    fn answers(&self) -> String {
        let mut counted: Vec<(&str, usize)> = Vec::new();
        for outcome in &self.outcomes {
            let who = match &outcome.answer {
                Ok(who) | Err(who) => who.as_str(),
            };
            match counted.iter_mut().find(|(known, _)| *known == who) {
                Some((_, count)) => *count += 1,
                None => counted.push((who, 1)),
            }
        }
        match counted.as_slice() {
            [(who, _)] => (*who).to_owned(),
            _ => counted.iter().map(|(who, count)| format!("{count} {who}")).collect::<Vec<_>>().join(", "),
        }
    }

    /// The lowest level of an answer, or that there was an error.
    fn level(&self) -> &'static str {
        if self.has_error() {
            return "error";
        }
        self.outcomes.iter().filter_map(|outcome| outcome.level).max().unwrap_or_default().name()
    }

    fn line(&self) -> Vec<String> {
        let calls: u32 = self.outcomes.iter().map(|outcome| outcome.calls).sum();
        let times = || self.outcomes.iter().map(|outcome| outcome.took);
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

/// The table of all outages and what they come to.
pub(super) fn print(scores: &[Score], requests: u32) -> String {
    let head = ["route", "down", "fails with", "answered by", "level", "calls", "slowest", "last"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(scores.iter().map(Score::line));
    let sum = |what: &str, single: bool| {
        let outages = || scores.iter().filter(|score| score.is_single() == single);
        let (all, failed) = (outages().count(), outages().filter(|score| score.has_error()).count());
        format!("{what}: {all} outages, {} survived, {failed} with errors", all - failed)
    };
    [
        table(&lines, 3),
        String::new(),
        sum("one target down", true),
        sum("all targets down", false),
        format!("requests for each: {requests}, in virtual time; no provider was called"),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn outcome(answer: Result<&str, &str>, level: Option<Level>, calls: u32, millis: u64) -> Outcome {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        Outcome { answer, level, calls, took: Duration::from_millis(millis) }
    }

    #[test]
    fn a_line_counts_who_answered_and_shows_the_worst() {
        let route = "default".to_owned();
        let one = Score {
            route: route.clone(),
            down: Down::One("a/m".parse().unwrap()),
            fault: Fault::Hang,
            outcomes: vec![
                outcome(Ok("b/m"), Some(Level::Full), 2, 30_500),
                outcome(Ok("b/m"), Some(Level::Full), 1, 500),
                outcome(Ok("cache"), Some(Level::Cached), 0, 0),
            ],
        };
        let error = Err("503 all_targets_unavailable");
        let all = Score {
            route,
            down: Down::All,
            fault: Fault::Unavailable,
            outcomes: vec![outcome(error, None, 4, 1_234), outcome(error, None, 0, 10_000)],
        };
        expect![[r#"
            route    down         fails with  answered by                  level   calls  slowest    last
            default  a/m          no answer   2 b/m, 1 cache               cached      3   30.5 s   0.0 s
            default  all targets  503         503 all_targets_unavailable  error       4   10.0 s  10.0 s

            one target down: 1 outages, 1 survived, 0 with errors
            all targets down: 1 outages, 0 survived, 1 with errors
            requests for each: 3, in virtual time; no provider was called"#]]
        .assert_eq(&print(&[one, all], 3));
    }
}
