use std::fmt;

/// The results of all checks, in the order in which they ran. `Display` writes one line for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "findings have to be looked at, for example with `assert_conforms`"]
pub struct Findings(Vec<Finding>);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the check, such as `chat: rate limited`.
    pub check: String,
    /// Its result.
    pub result: CheckResult,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckResult {
    /// The provider conforms.
    Passed,
    /// The provider violates the contract.
    Failed {
        /// The behaviour that the contract requires.
        expected: String,
        /// The behaviour of the provider, without the secret of the suite.
        found: String,
    },
    /// The check did not run.
    Skipped {
        /// The reason.
        reason: String,
    },
}

impl Findings {
    /// Returns all findings.
    pub fn all(&self) -> &[Finding] {
        &self.0
    }

    /// Returns the checks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| matches!(finding.result, CheckResult::Failed { .. }))
    }

    /// Returns the checks that did not run.
    pub fn skipped(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| matches!(finding.result, CheckResult::Skipped { .. }))
    }

    /// Returns the result of the check with this name.
    pub fn of(&self, check: &str) -> Option<&CheckResult> {
        self.0.iter().find(|finding| finding.check == check).map(|finding| &finding.result)
    }

    /// Checks that no check failed and that at least one passed. Skipped checks are accepted; [`skipped`](Self::skipped) lists them.
    ///
    /// # Panics
    /// If a check failed, with all findings, or if none passed.
    #[track_caller]
    pub fn assert_conforms(&self) {
        let passed = self.0.iter().any(|finding| finding.result == CheckResult::Passed);
        assert!(passed && self.failed().next().is_none(), "the provider does not conform:\n{self}");
    }

    pub(super) fn push(&mut self, check: impl Into<String>, result: CheckResult) {
        self.0.push(Finding { check: check.into(), result });
    }
}

impl CheckResult {
    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped { reason: reason.into() }
    }

    /// Passes if there is nothing found that differs from what is expected.
    pub(super) fn of(expected: &str, found: Option<String>) -> Self {
        found.map_or(Self::Passed, |found| Self::Failed { expected: expected.to_owned(), found })
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = &self.check;
        match &self.result {
            CheckResult::Passed => write!(f, "passed  {check}"),
            CheckResult::Failed { expected, found } => {
                write!(f, "FAILED  {check}: expected {expected}; found {found}")
            }
            CheckResult::Skipped { reason } => write!(f, "skipped {check}: {reason}"),
        }
    }
}
