//! The HTML report: a summary of each target, then every case with every answer, in one self-contained file.

use std::fmt::Write;

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

/// Formats the page. Texts of cases and answers are escaped.
pub(super) fn page(summary: &Summary, cases: &[Case], min_pass: f64) -> String {
    let mut page = String::new();
    let written = write_page(&mut page, summary, cases, min_pass);
    // Writing to a string does not fail.
    debug_assert!(written.is_ok());
    page
}

fn write_page(page: &mut String, summary: &Summary, cases: &[Case], min_pass: f64) -> std::fmt::Result {
    let route = escaped(&summary.route);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>fb eval: {route}</title>\n\
         <style>\n{STYLE}</style>\n<h1>Route {route}</h1>\n<p>{}, at least {} expected of every target.</p>\n",
        count(cases.len(), "case"),
        percent(min_pass)
    )?;
    page.push_str(
        "<table>\n<tr><th>target<th>passed<th>share<th>errors<th>p50<th>p95<th>cost<th>differs from the primary\n",
    );
    for target in &summary.targets {
        write_target(page, target, min_pass)?;
    }
    page.push_str("</table>\n<table>\n<tr><th>case");
    for target in &summary.targets {
        write!(page, "<th>{}", escaped(&target.target.label))?;
    }
    page.push('\n');
    for (index, case) in cases.iter().enumerate() {
        write!(page, "<tr><td><b>{}</b><pre>{}</pre>", escaped(&case.id), escaped(&case.last_message()))?;
        for target in &summary.targets {
            if let Some(outcome) = target.outcomes.get(index) {
                write_outcome(page, outcome, target.differs.get(&index))?;
            }
        }
        page.push('\n');
    }
    page.push_str("</table>\n</html>\n");
    Ok(())
}

fn write_target(page: &mut String, target: &TargetSummary, min_pass: f64) -> std::fmt::Result {
    let class = if target.passes(min_pass) { "pass" } else { "fail" };
    let [p50, p95] = target.latencies().map(|ms| ms.map(seconds).unwrap_or_default());
    writeln!(
        page,
        "<tr><td class=\"{class}\">{}<td class=\"n\">{}/{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{p50}\
         <td class=\"n\">{p95}<td class=\"n\">{}<td class=\"n\">{}",
        escaped(&target.target.label),
        target.count(Verdict::Pass),
        target.outcomes.len(),
        percent(target.share()),
        target.count(Verdict::Error),
        target.cost().map(|cost| cost.to_string()).unwrap_or_default(),
        target.differs.len(),
    )
}

fn write_outcome(page: &mut String, outcome: &CaseOutcome, differs: Option<&String>) -> std::fmt::Result {
    let class = match outcome.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Error => "error",
    };
    write!(page, "<td class=\"{class}\">{}", seconds(outcome.took_ms))?;
    if let Some(reason) = &outcome.reason {
        write!(page, " <span class=\"why\">{}</span>", escaped(reason))?;
    }
    if let Some(difference) = differs {
        write!(page, " <span class=\"differs\">{}</span>", escaped(difference))?;
    }
    let Some(answer) = &outcome.answer else { return Ok(()) };
    if !answer.text.is_empty() {
        write!(page, "<pre>{}</pre>", escaped(&answer.text))?;
    }
    for call in &answer.calls {
        write!(page, "<pre>{}({})</pre>", escaped(&call.tool), escaped(&call.arguments))?;
    }
    Ok(())
}

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}
