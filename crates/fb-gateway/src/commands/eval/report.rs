//! The HTML report: a summary of each target, then every case with every answer, in one self-contained file.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    cases::Case,
    summary::{Summary, TargetSummary, percent},
};
use crate::{
    evaluations::{CaseOutcome, Verdict},
    stdout::{count, seconds},
};

const STYLE: &str = "\
:root { color-scheme: light dark; }\n\
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }\n\
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }\n\
th, td { border: 1px solid #8886; padding: .4rem .6rem; text-align: left; vertical-align: top; }\n\
td.n { text-align: right; white-space: nowrap; }\n\
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; font: 12px/1.4 ui-monospace, monospace; }\n\
.pass { border-left: 4px solid #2a8f4f; } .fail { border-left: 4px solid #c8372d; }\n\
.error { border-left: 4px solid #b7791f; } .why { color: #c8372d; } .differs { color: #b7791f; }\n";

/// Formats the page.
pub(super) fn page(summary: &Summary, cases: &[Case], min_pass: f64) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "fb eval: " (summary.route) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Route " (summary.route) }
                p { (count(cases.len(), "case")) ", at least " (percent(min_pass)) " expected of every target." }
                table {
                    tr {
                        @for title in TITLES { th { (title) } }
                    }
                    @for target in &summary.targets { (target_row(target, min_pass)) }
                }
                table {
                    tr {
                        th { "case" }
                        @for target in &summary.targets { th { (target.target.label) } }
                    }
                    @for (index, case) in cases.iter().enumerate() { (case_row(index, case, &summary.targets)) }
                }
            }
        }
    }
    .into_string()
}

/// The titles of the summary's columns.
const TITLES: [&str; 8] =
    ["target", "passed", "share", "errors", "p50", "p95", "cost", "differs from the primary"];

fn target_row(target: &TargetSummary, min_pass: f64) -> Markup {
    let class = if target.passes(min_pass) { "pass" } else { "fail" };
    let [p50, p95] = target.latencies().map(|ms| ms.map(seconds).unwrap_or_default());
    let numbers = [
        format!("{}/{}", target.count(Verdict::Pass), target.outcomes.len()),
        percent(target.share()),
        target.count(Verdict::Error).to_string(),
        p50,
        p95,
        target.cost().map(|cost| cost.to_string()).unwrap_or_default(),
        target.differs.len().to_string(),
    ];
    html! {
        tr {
            td class=(class) { (target.target.label) }
            @for number in &numbers { td.n { (number) } }
        }
    }
}

fn case_row(index: usize, case: &Case, targets: &[TargetSummary]) -> Markup {
    html! {
        tr {
            td { b { (case.id) } pre { (case.last_message()) } }
            @for target in targets {
                @if let Some(outcome) = target.outcomes.get(index) {
                    (outcome_cell(outcome, target.differs.get(&index)))
                }
            }
        }
    }
}

fn outcome_cell(outcome: &CaseOutcome, differs: Option<&String>) -> Markup {
    let class = match outcome.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Error => "error",
    };
    html! {
        td class=(class) {
            (seconds(outcome.took_ms))
            @if let Some(reason) = &outcome.reason { " " span.why { (reason) } }
            @if let Some(difference) = differs { " " span.differs { (difference) } }
            @if let Some(answer) = &outcome.answer {
                @if !answer.text.is_empty() { pre { (answer.text) } }
                @for call in &answer.calls { pre { (call.tool) "(" (call.arguments) ")" } }
            }
        }
    }
}
