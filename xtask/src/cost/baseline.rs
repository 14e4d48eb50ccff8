//! The committed figures, and their comparison with measured ones.

use std::{collections::BTreeMap, fmt::Write};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The figures of one build.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Baseline {
    /// Instructions per request by path, as a multiple of those of the floor.
    pub(super) ratios: BTreeMap<String, f64>,
    /// Resident memory of a gateway that has just started, in kB.
    pub(super) idle_kb: f64,
    /// The size of the stripped binary, in kB.
    pub(super) binary_kb: f64,
}

/// By how much a figure may exceed the committed one.
const RATIO: f64 = 0.03;
const IDLE: f64 = 0.10;
const BINARY: f64 = 0.05;

/// The comparison of two sets of figures.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) table: String,
    pub(super) problems: Vec<String>,
}

impl Baseline {
    pub(super) fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).context("the baseline is not JSON")?;
        let number = |value: &Value, name: &str| value.as_f64().with_context(|| format!("no number: {name}"));
        let ratios = value["ratios"].as_object().context("no ratios")?;
        Ok(Self {
            ratios: ratios
                .iter()
                .map(|(path, ratio)| Ok((path.clone(), number(ratio, path)?)))
                .collect::<Result<_>>()?,
            idle_kb: number(&value["idle_kb"], "idle_kb")?,
            binary_kb: number(&value["binary_kb"], "binary_kb")?,
        })
    }

    pub(super) fn to_json(&self) -> String {
        let ratios: BTreeMap<_, _> =
            self.ratios.iter().map(|(path, ratio)| (path, (ratio * 1_000.0).round() / 1_000.0)).collect();
        let value =
            json!({ "ratios": ratios, "idle_kb": self.idle_kb.round(), "binary_kb": self.binary_kb.round() });
        format!("{value:#}\n")
    }
}

/// Compares measured figures with the committed ones.
pub(super) fn verdict(measured: &Baseline, committed: &Baseline) -> Verdict {
    let mut verdict = Verdict { table: String::new(), problems: Vec::new() };
    let mut row = |name: &str, measured: Option<f64>, committed: Option<f64>, margin: f64| {
        let (Some(measured), Some(committed)) = (measured, committed) else {
            verdict.problems.push(format!("{name} is measured or committed, not both"));
            return;
        };
        let change = measured / committed - 1.0;
        // Writing to a string does not fail.
        let written = writeln!(
            verdict.table,
            "{name:28}{measured:>12.3}   committed {committed:>10.3}   {:+.1} %",
            change * 100.0
        );
        debug_assert!(written.is_ok());
        if change > margin {
            verdict.problems.push(format!(
                "{name} rose by {:.1} %, more than {:.0} %: make it cheaper, or raise the baseline in a commit of its own",
                change * 100.0,
                margin * 100.0
            ));
        } else if change < -margin {
            verdict.table.push_str("    lower: cargo xtask cost --write\n");
        }
    };
    let paths: std::collections::BTreeSet<_> =
        measured.ratios.keys().chain(committed.ratios.keys()).collect();
    for path in paths {
        row(path, measured.ratios.get(path).copied(), committed.ratios.get(path).copied(), RATIO);
    }
    row("idle, kB", Some(measured.idle_kb), Some(committed.idle_kb), IDLE);
    row("binary, kB", Some(measured.binary_kb), Some(committed.binary_kb), BINARY);
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(plain: f64, idle_kb: f64, binary_kb: f64) -> Baseline {
        Baseline { ratios: BTreeMap::from([("plain".to_owned(), plain)]), idle_kb, binary_kb }
    }

    #[test]
    fn only_a_rise_above_the_margin_is_a_problem() {
        let committed = figures(1.0, 10_000.0, 20_000.0);
        let problems = |measured: &Baseline| verdict(measured, &committed).problems;
        assert_eq!(problems(&figures(1.02, 10_900.0, 20_900.0)), Vec::<String>::new());
        assert_eq!(problems(&figures(0.5, 5_000.0, 9_000.0)), Vec::<String>::new());
        let risen = problems(&figures(1.04, 11_100.0, 21_100.0));
        let names: Vec<_> = risen.iter().map(|problem| problem.split(" rose").next().unwrap()).collect();
        assert_eq!(names, ["plain", "idle, kB", "binary, kB"]);
        assert!(
            verdict(&figures(0.9, 1.0, 1.0), &committed).table.contains("lower: cargo xtask cost --write")
        );
        let other = Baseline { ratios: BTreeMap::from([("new".to_owned(), 1.0)]), ..committed.clone() };
        assert_eq!(problems(&other).len(), 2);
        assert_eq!(Baseline::from_json(&committed.to_json()).unwrap(), committed);
    }
}
