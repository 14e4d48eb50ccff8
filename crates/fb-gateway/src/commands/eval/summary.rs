//! The summary of all outcomes, and its table.

use std::{collections::BTreeMap, ops::Add, time::SystemTime};

use fb::{Money, difference};

use crate::{
    evaluations::{CaseOutcome, Evaluation, Verdict, passes, share, target::EvalTarget},
    stdout::{count, percentile, seconds, table},
};

/// All outcomes, by target.
pub(super) struct Summary {
    pub(super) route: String,
    pub(super) targets: Vec<TargetSummary>,
    cases: usize,
}

/// The outcomes of all cases at one target.
pub(super) struct TargetSummary {
    pub(super) target: EvalTarget,
    /// In the order of the cases.
    pub(super) outcomes: Vec<CaseOutcome>,
    /// Differences from the primary, by index of the case.
    pub(super) differs: BTreeMap<usize, String>,
}

impl Summary {
    /// Summarizes outcomes by index of target and case. The first target is the primary.
    pub(super) fn new(
        route: &str,
        targets: &[EvalTarget],
        cases: usize,
        outcomes: BTreeMap<(usize, usize), CaseOutcome>,
    ) -> Self {
        let mut all: Vec<TargetSummary> = targets
            .iter()
            .map(|target| TargetSummary {
                target: target.clone(),
                outcomes: Vec::new(),
                differs: BTreeMap::new(),
            })
            .collect();
        for ((index, _), outcome) in outcomes {
            all[index].outcomes.push(outcome);
        }
        if let Some((primary, others)) = all.split_first_mut() {
            for other in others {
                let pairs = primary.outcomes.iter().zip(&other.outcomes).enumerate();
                other.differs = pairs
                    .filter_map(|(index, (primary, own))| Some((index, compare(primary, own)?)))
                    .collect();
            }
        }
        Self { route: route.to_owned(), targets: all, cases }
    }

    /// Returns whether every target passed at least this share of the cases.
    pub(super) fn passes(&self, min_pass: f64) -> bool {
        self.targets.iter().all(|target| target.passes(min_pass))
    }

    pub(super) fn evaluations(&self, at: SystemTime) -> impl Iterator<Item = Evaluation> {
        self.targets.iter().map(move |target| Evaluation {
            route: self.route.clone(),
            target: target.target.name.clone(),
            digest: target.target.digest.clone(),
            cases: self.cases as u64,
            passed: target.count(Verdict::Pass) as u64,
            at,
        })
    }

    /// Formats the table, one line for each case that failed or differs, and the targets below the share.
    pub(super) fn print(&self, min_pass: f64) -> String {
        let head = ["target", "passed", "share", "errors", "p50", "p95", "cost", "differs"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.targets.iter().enumerate().map(|(index, target)| target.row(index > 0)));
        let mut lines = vec![
            format!("route {}, {}", self.route, count(self.cases, "case")),
            String::new(),
            table(&rows, 7),
        ];
        let notes: Vec<Vec<String>> = self.targets.iter().flat_map(TargetSummary::notes).collect();
        if !notes.is_empty() {
            lines.extend([String::new(), table(&notes, 0)]);
        }
        lines.push(String::new());
        let below = self.targets.iter().filter(|target| !target.passes(min_pass));
        let below: Vec<&str> = below.map(|target| target.target.label.as_str()).collect();
        lines.push(if below.is_empty() {
            format!("every target passes {} or more", percent(min_pass))
        } else {
            format!("below {}: {}", percent(min_pass), below.join(", "))
        });
        lines.join("\n")
    }
}

impl TargetSummary {
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.verdict == verdict).count()
    }

    pub(super) fn passes(&self, min_pass: f64) -> bool {
        passes(self.count(Verdict::Pass) as u64, self.outcomes.len() as u64, min_pass)
    }

    pub(super) fn share(&self) -> f64 {
        share(self.count(Verdict::Pass) as u64, self.outcomes.len() as u64)
    }

    fn row(&self, is_fallback: bool) -> Vec<String> {
        let [p50, p95] = self.latencies().map(|ms| ms.map_or_else(|| "-".to_owned(), seconds));
        vec![
            self.target.label.clone(),
            format!("{}/{}", self.count(Verdict::Pass), self.outcomes.len()),
            percent(self.share()),
            self.count(Verdict::Error).to_string(),
            p50,
            p95,
            self.cost().map_or_else(|| "-".to_owned(), |cost| cost.to_string()),
            if is_fallback { self.differs.len().to_string() } else { "-".to_owned() },
        ]
    }

    /// Returns the median and the 95th percentile of the latencies of answered cases, in milliseconds.
    pub(super) fn latencies(&self) -> [Option<u64>; 2] {
        let answered =
            self.outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Error && outcome.calls > 0);
        let mut took: Vec<u64> = answered.map(|outcome| outcome.took_ms).collect();
        took.sort_unstable();
        [50, 95].map(|percent| percentile(&took, percent))
    }

    /// Returns the cost of the answers with known price and tokens, without that of failed calls and repaired answers.
    pub(super) fn cost(&self) -> Option<Money> {
        let known = self.outcomes.iter().filter_map(|outcome| outcome.cost_nanos);
        known.map(Money::from_nanos).reduce(Add::add)
    }

    fn notes(&self) -> Vec<Vec<String>> {
        let note = |outcome: &CaseOutcome, kind: &str, reason: &str| {
            [self.target.label.as_str(), &outcome.case, kind, reason].map(str::to_owned).to_vec()
        };
        let mut notes = Vec::new();
        for (index, outcome) in self.outcomes.iter().enumerate() {
            let reason = outcome.reason.as_deref().unwrap_or_default();
            match outcome.verdict {
                Verdict::Pass => {}
                Verdict::Fail => notes.push(note(outcome, "failed", reason)),
                Verdict::Error => notes.push(note(outcome, "no answer", reason)),
            }
            if let Some(difference) = self.differs.get(&index) {
                notes.push(note(outcome, "differs", difference));
            }
        }
        notes
    }
}

/// Returns the difference between an outcome and the primary's; `None` if either has no answer.
fn compare(primary: &CaseOutcome, other: &CaseOutcome) -> Option<String> {
    use Verdict::{Error, Fail, Pass};
    match (primary.verdict, other.verdict) {
        (Error, _) | (_, Error) => None,
        (Pass, Fail) => Some("fails, where the primary passes".to_owned()),
        (Fail, Pass) => Some("passes, where the primary fails".to_owned()),
        (Pass, Pass) | (Fail, Fail) => difference(primary.answer.as_ref()?, other.answer.as_ref()?),
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
