//! The table `[eval]`.

use std::path::PathBuf;

use fb::InvalidConfig;
use serde::Deserialize;

/// The table `[eval]`: the results of `fb eval` and the pass mark.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// The file of results. `fb eval` appends to it; `fb check` and `fb serve` read from it which targets passed. It
    /// contains the answers to the golden cases.
    pub results: PathBuf,
    /// Share of a route's golden cases that a target must pass, 0 to 1. Defaults to 0.9.
    #[serde(default = "default_min_pass")]
    pub min_pass: f64,
}

pub(crate) const fn default_min_pass() -> f64 {
    0.9
}

impl EvalConfig {
    /// Returns every invalid value.
    pub(crate) fn problems(&self) -> Vec<InvalidConfig> {
        let mut problems = Vec::new();
        if self.results.file_name().is_none() {
            let value = format!("{:?}", self.results.display().to_string());
            problems.push(InvalidConfig::new("eval.results", value, "expected the path of a file"));
        }
        if !(0.0..=1.0).contains(&self.min_pass) {
            problems.push(InvalidConfig::new("eval.min_pass", self.min_pass.to_string(), "expected 0 to 1"));
        }
        problems
    }
}
