use std::{
    fmt::{self, Write},
    sync::Arc,
    time::Duration,
};

use crate::{BlockCategory, Failure, Money, Refusal, TargetId, Usage};

/// The attempts and skips of one request, in order.
///
/// Displays as aligned rows, one line each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace(Vec<Attempt>);

impl Trace {
    /// Creates a trace from its rows.
    pub const fn new(rows: Vec<Attempt>) -> Self {
        Self(rows)
    }

    /// Returns the rows.
    pub fn rows(&self) -> &[Attempt] {
        &self.0
    }

    /// Returns the number of calls made to providers; skips do not count.
    pub fn calls(&self) -> u32 {
        u32::try_from(self.0.iter().filter(|row| row.is_call()).count()).unwrap_or(u32::MAX)
    }

    /// Returns the trace without the costs of its calls.
    #[must_use]
    pub fn without_costs(&self) -> Self {
        let mut rows = self.0.clone();
        for row in &mut rows {
            if let AttemptEnd::Ok { cost, .. } = &mut row.end {
                *cost = None;
            }
        }
        Self(rows)
    }

    /// Returns the whole trace as one line of ASCII for a header, such as
    /// `openai/gpt-6.1-sol 1 server_error (503) 2ms; anthropic/claude-sonnet-4-6 1 ok 38ms`.
    pub fn one_line(&self) -> String {
        let mut line = Ascii(String::with_capacity(64 * self.0.len()));
        for (index, row) in self.0.iter().enumerate() {
            let between = if index > 0 { "; " } else { "" };
            let printed = if row.is_call() {
                let Attempt { target, number, end, took, .. } = row;
                let end = WithKey { end, key: row.key.as_deref() };
                write!(line, "{between}{target} {number} {end} {}ms", took.as_millis())
            } else {
                write!(line, "{between}{} {}", row.target, row.end)
            };
            // Writing to a string cannot fail.
            debug_assert!(printed.is_ok());
        }
        line.0
    }
}

/// A writer that keeps only characters allowed in a header.
struct Ascii(String);

impl Write for Ascii {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.chars().filter(|c| *c == ' ' || c.is_ascii_graphic()));
        Ok(())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|row| row.target.to_string()).collect();
        let end = |row: &Attempt| WithKey { end: &row.end, key: row.key.as_deref() }.to_string();
        let ends: Vec<String> = self.0.iter().map(end).collect();
        let width = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let (name_width, end_width) = (width(&names), width(&ends));
        for ((row, name), end) in self.0.iter().zip(&names).zip(&ends) {
            let number = if row.is_call() { row.number.to_string() } else { String::new() };
            let took = if row.is_call() { Took(row.took).to_string() } else { String::new() };
            let line = format!(
                "{:<8}{name:<name_width$}  {number:<2} {end:<end_width$}  {took:>8}  {}",
                At(row.at).to_string(),
                row.next
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Displays the end of a call, followed by the key if the provider has several.
struct WithKey<'a> {
    end: &'a AttemptEnd,
    key: Option<&'a str>,
}

impl fmt::Display for WithKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.end)?;
        self.key.map_or(Ok(()), |key| write!(f, "  key {key}"))
    }
}

/// A row of a trace: a call to a target, or a skipped target.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Attempt {
    /// The target.
    pub target: TargetId,
    /// The number of the call to this target, from 1; 0 for a skip.
    pub number: u32,
    /// The name of the API key, if the provider has several; `None` for a skip.
    pub key: Option<Arc<str>>,
    /// The start, measured from the start of the request.
    pub at: Duration,
    /// The duration of the call.
    pub took: Duration,
    /// The time from the start of the call to the first output of a stream; `None` for an answer that was not streamed.
    pub first: Option<Duration>,
    /// The outcome.
    pub end: AttemptEnd,
    /// The decision taken after it.
    pub next: Next,
}

impl Attempt {
    /// Creates a row with this number, after which nothing follows, at the start of the request and without a duration.
    pub const fn new(target: TargetId, number: u32, end: AttemptEnd) -> Self {
        let (at, took) = (Duration::ZERO, Duration::ZERO);
        Self { target, number, key: None, at, took, first: None, end, next: Next::Nothing }
    }

    /// Returns `true` if a call was made.
    pub const fn is_call(&self) -> bool {
        !matches!(self.end, AttemptEnd::Skipped { .. })
    }
}

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptEnd {
    /// The call is still running.
    Running,
    /// A usable answer.
    Ok {
        /// Token counts, if the provider reported them.
        usage: Option<Usage>,
        /// The cost, if the target has a price and the token counts are known.
        cost: Option<Money>,
    },
    /// A failure.
    Failed(Failure),
    /// A content-policy refusal.
    Blocked {
        /// The part of the exchange that was refused.
        category: BlockCategory,
        /// Token counts, if the provider reported them.
        usage: Option<Usage>,
    },
    /// The caller left, or a concurrent attempt answered first.
    Cancelled,
    /// No call was made.
    Skipped {
        /// The reason.
        why: Skip,
        /// The time until the target may be called again, if waiting helps.
        reopens: Option<Duration>,
    },
}

impl fmt::Display for AttemptEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Ok { usage, cost } => {
                f.write_str("ok")?;
                if let Some(usage) = usage {
                    write!(f, "  {} tokens", usage.total())?;
                }
                cost.map_or(Ok(()), |cost| write!(f, "  {cost}"))
            }
            Self::Failed(failure) => failure.fmt(f),
            Self::Blocked { category, .. } => write!(f, "blocked ({category})"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Skipped { why, reopens } => {
                write!(f, "skipped: {why}")?;
                reopens.map_or(Ok(()), |wait| write!(f, ", reopens in {}", Took(wait)))
            }
        }
    }
}

/// The reason why a target was not called.
///
/// A skip uses no attempt and is not recorded by a circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// The circuit breaker is open, or half-open with all probes in flight.
    BreakerOpen,
    /// The circuit of the whole provider is open, as no connection to it could be made, or half-open with all probes in
    /// flight.
    ProviderOpen,
    /// The target is in cooldown: it sent a `Retry-After`, or its account has to be fixed first.
    Cooling,
    /// The target has just recovered, and this request is outside its share of the traffic.
    Ramping,
    /// Too many recent answers of the target failed the quality gates, and this request is outside its reduced share of
    /// the traffic.
    LowQuality,
    /// The target is ejected as an outlier: it fails more than its peers.
    Ejected,
    /// The endpoint fails its health probes.
    Unhealthy,
    /// The key was rejected and rests until it is tried again.
    KeyRejected,
    /// The maximum number of calls is in flight.
    AtCapacity,
    /// A limit of the tenant or of its key is reached.
    Budget {
        /// The name of the limit in the configuration.
        limit: &'static str,
        /// `true` for a limit on money, `false` for one on requests or tokens per minute.
        money: bool,
        /// `true` for a limit of the key, `false` for a limit of the tenant.
        of_key: bool,
    },
    /// The ledger of the tenants' spend does not commit, and calls that it does not cover are refused.
    Ledger,
    /// The target cannot honour a field of the request.
    Inadmissible(Refusal),
    /// The request has used all its attempts.
    Attempts,
    /// Too little time is left before the deadline.
    NoTime,
}

impl Skip {
    /// Returns `true` if earlier calls or probes are the reason: the target, its provider or its key is kept from calls for a
    /// while.
    pub const fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::BreakerOpen
                | Self::ProviderOpen
                | Self::Cooling
                | Self::Ejected
                | Self::KeyRejected
                | Self::Unhealthy
        )
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BreakerOpen => f.write_str("breaker open"),
            Self::ProviderOpen => f.write_str("provider's breaker open"),
            Self::Cooling => f.write_str("cooling"),
            Self::Ramping => f.write_str("just back, others take its share"),
            Self::LowQuality => f.write_str("low quality, others take its share"),
            Self::Ejected => f.write_str("ejected"),
            Self::Unhealthy => f.write_str("unhealthy"),
            Self::KeyRejected => f.write_str("key rejected before"),
            Self::AtCapacity => f.write_str("at capacity"),
            Self::Budget { limit, of_key: false, .. } => write!(f, "the tenant's {limit} is reached"),
            Self::Budget { limit, of_key: true, .. } => write!(f, "the key's {limit} is reached"),
            Self::Ledger => f.write_str("the ledger does not commit"),
            Self::Inadmissible(refusal) => write!(f, "inadmissible: {refusal}"),
            Self::Attempts => f.write_str("no attempts left"),
            Self::NoTime => f.write_str("no time left"),
        }
    }
}

/// The decision after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The request ends here.
    Nothing,
    /// Retry the same target after this delay.
    RetryIn(Duration),
    /// Call the same target with another API key at once.
    OtherKey,
    /// Retry the same target with the quality gate's message added to the prompt.
    Repair,
    /// Wait until this target may be called again.
    WaitFor(Duration),
    /// Go to the next target.
    Hop,
    /// Request the rest of the answer from another target.
    Resume,
    /// Return the failure to the caller.
    Surface,
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::RetryIn(wait) if wait.is_zero() => f.write_str("retry at once"),
            Self::RetryIn(wait) => write!(f, "retry in {}", Took(*wait)),
            Self::OtherKey => f.write_str("other key"),
            Self::Repair => f.write_str("repair"),
            Self::WaitFor(wait) => write!(f, "wait {}", Took(*wait)),
            Self::Hop => f.write_str("hop"),
            Self::Resume => f.write_str("resume"),
            Self::Surface => f.write_str("surface"),
        }
    }
}

/// Displays a duration with about three digits: `312 ms`, `1.93 s`, `30.0 s`, `4 min`.
struct Took(Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs_f64();
        match secs {
            s if s < 0.9995 => write!(f, "{:.0} ms", s * 1e3),
            s if s < 9.995 => write!(f, "{s:.2} s"),
            s if s < 99.95 => write!(f, "{s:.1} s"),
            s if s < 600.0 => write!(f, "{s:.0} s"),
            s => write!(f, "{:.0} min", s / 60.0),
        }
    }
}

/// Displays a time since the start of the request with four digits: `0.724s`, `30.73s`.
struct At(Duration);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs_f64();
        if secs < 9.9995 { write!(f, "{secs:.3}s") } else { write!(f, "{secs:.2}s") }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::{FailureKind, Phase};

    fn row(target: &str, number: u32, at_ms: u64, took_ms: u64, end: AttemptEnd, next: Next) -> Attempt {
        Attempt {
            target: target.parse().unwrap(),
            number,
            key: None,
            at: Duration::from_millis(at_ms),
            took: Duration::from_millis(took_ms),
            first: None,
            end,
            next,
        }
    }

    #[test]
    fn trace_displays_one_aligned_line_per_attempt() {
        let overloaded = Failure::new(FailureKind::Overloaded, "Overloaded")
            .with_status(529)
            .with_code(Some("overloaded_error".to_owned()));
        let late = Failure::new(FailureKind::Timeout(Phase::Total), "no answer in 30 s");
        let usage = Some(Usage { input: 14, output: 200, ..Usage::default() });
        let ok = AttemptEnd::Ok { usage, cost: Some(Money::from_nanos(3_100_000)) };
        let open =
            AttemptEnd::Skipped { why: Skip::BreakerOpen, reopens: Some(Duration::from_millis(4_800)) };
        let trace = Trace::new(vec![
            row("azure/gpt-6.1-sol", 0, 0, 0, open, Next::Hop),
            row(
                "openai/gpt-6.1-sol",
                1,
                0,
                312,
                AttemptEnd::Failed(overloaded),
                Next::RetryIn(Duration::from_millis(410)),
            ),
            row("openai/gpt-6.1-sol", 2, 724, 30_000, AttemptEnd::Failed(late), Next::Hop),
            row("anthropic/claude-sonnet-4-6", 1, 30_730, 1_930, ok, Next::Nothing),
        ]);
        expect![[r#"
            0.000s  azure/gpt-6.1-sol               skipped: breaker open, reopens in 4.80 s            hop
            0.000s  openai/gpt-6.1-sol           1  overloaded (529 overloaded_error)           312 ms  retry in 410 ms
            0.724s  openai/gpt-6.1-sol           2  timeout (no answer in 30 s)                 30.0 s  hop
            30.73s  anthropic/claude-sonnet-4-6  1  ok  214 tokens  $0.0031                     1.93 s
        "#]].assert_eq(&trace.to_string());
        assert_eq!(trace.calls(), 3);
        expect!["azure/gpt-6.1-sol skipped: breaker open, reopens in 4.80 s; openai/gpt-6.1-sol 1 overloaded (529 overloaded_error) 312ms; openai/gpt-6.1-sol 2 timeout (no answer in 30 s) 30000ms; anthropic/claude-sonnet-4-6 1 ok  214 tokens  $0.0031 1930ms"].assert_eq(&trace.one_line());
    }
}
