//! The time that one call may take, as pure functions of the settings, the request and the position of the target.

use std::time::Duration;

use crate::Target;

/// The time to the first output while another target could be called: most streams have begun by then.
const FIRST_OUTPUT: Duration = Duration::from_secs(15);
/// The time to the first output at the last target. The call itself may take all the time that the request has left.
const LAST_FIRST_OUTPUT: Duration = Duration::from_secs(60);
/// The time to the first output of a model that thinks first.
const THINKING: Duration = Duration::from_secs(120);
/// The time of a plain answer while another target could be called: some 4,000 tokens.
const TOTAL: Duration = Duration::from_secs(60);
/// The least time of a plain answer at the last target.
const LAST_TOTAL: Duration = Duration::from_secs(120);
/// The most time of a plain answer at the last target. The clients of the providers give up then.
const MAX_TOTAL: Duration = Duration::from_secs(600);
/// The speed of a slow model, by which long answers get more time.
const TOKENS_PER_SECOND: u32 = 20;

/// The time limits that a target sets for its calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TargetTimes {
    /// Until the first output of a stream.
    pub(crate) first_output: Option<Duration>,
    /// Until a plain answer is complete.
    pub(crate) total: Option<Duration>,
}

/// The properties of a call on which its default time limits depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallShape {
    /// True if the answer is streamed, so that only its first output is limited here.
    pub(crate) streams: bool,
    /// True if the model thinks before its first output.
    pub(crate) thinks: bool,
    /// The most tokens of the answer, if the request limits them.
    pub(crate) max_tokens: Option<u32>,
}

/// The time left of a request, at the moment of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLeft {
    /// The time until the deadline of the request.
    pub(crate) remaining: Duration,
    /// The time reserved for each untried target.
    pub(crate) min_slice: Duration,
    /// The deadline of the route, which the caller may have shortened.
    pub(crate) deadline: Duration,
    /// True if route or caller set the deadline, so that it need not have room for the defaults of all targets.
    pub(crate) is_set: bool,
    /// The number of callable targets after this one.
    pub(crate) later: u32,
}

/// The deadline of a route for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) after: Duration,
    /// True if the route sets it, and false for the default, which has room for the default limits of all targets.
    pub(crate) is_set: bool,
}

/// The time that one call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallTime {
    /// The time limit of the call.
    pub(crate) limit: Duration,
    /// The time limit that the call would have at the start of a request. A call that takes this long is slow.
    pub(crate) usual: Duration,
}

impl CallTime {
    /// Returns true if earlier attempts or the caller left the call clearly less time than usual. Running out of it is
    /// not the failure of the target.
    pub(crate) fn is_shortened(self) -> bool {
        // The time that the request itself takes does not count.
        self.limit < self.usual.mul_f64(0.9)
    }
}

impl TargetTimes {
    /// Returns the limits that a target sets: `timeout` stands for both.
    pub(crate) fn of(target: &Target) -> Self {
        let Target { timeout, first_output, total, .. } = *target;
        Self { first_output: first_output.or(timeout), total: total.or(timeout) }
    }

    /// Returns the limit that applies to a call, if it is set.
    const fn set_for(self, shape: CallShape) -> Option<Duration> {
        if shape.streams { self.first_output } else { self.total }
    }

    /// Returns the time planned for a call: the limit that is set, or else the default.
    pub(crate) fn planned(self, shape: CallShape, is_last: bool) -> Duration {
        let CallShape { streams, thinks, max_tokens } = shape;
        self.set_for(shape).unwrap_or_else(|| match (streams, thinks, is_last) {
            (true, true, _) | (false, true, false) => THINKING,
            (true, false, false) => FIRST_OUTPUT,
            (true, false, true) => LAST_FIRST_OUTPUT,
            (false, false, false) => TOTAL,
            (false, _, true) => {
                let secs = max_tokens.unwrap_or(0).div_ceil(TOKENS_PER_SECOND);
                Duration::from_secs(secs.into()).clamp(LAST_TOTAL, MAX_TOTAL)
            }
        })
    }

    /// Returns the time of a call that starts now.
    pub(crate) fn call_time(self, shape: CallShape, left: TimeLeft) -> CallTime {
        let TimeLeft { remaining, min_slice, deadline, later, .. } = left;
        let planned = self.planned(shape, later == 0);
        let at_start = TimeLeft { remaining: deadline, min_slice: min_slice.min(deadline), ..left };
        let usual = self.limit(shape, planned, at_start).min(planned);
        let limit = self.limit(shape, planned, TimeLeft { remaining, ..left });
        CallTime { limit, usual }
    }

    /// Returns the part of the time left that a call may take. Every untried target keeps a minimum slice, or an equal
    /// share of a deadline that has no room for the defaults.
    fn limit(self, shape: CallShape, planned: Duration, left: TimeLeft) -> Duration {
        let TimeLeft { remaining, min_slice, is_set, later, .. } = left;
        let slice = remaining.saturating_sub(min_slice.saturating_mul(later)).max(min_slice);
        if self.set_for(shape).is_some() {
            return planned.min(slice);
        }
        // A last stream may begin as late as the deadline allows.
        let wanted = if shape.streams && later == 0 { slice } else { planned.min(slice) };
        let share = remaining / later.saturating_add(1);
        if is_set { wanted.min(share.max(min_slice)) } else { wanted }
    }
}

/// Returns the default deadline of a request: the time planned for all targets together, whichever is the last.
pub(crate) fn default_deadline(calls: impl IntoIterator<Item = (TargetTimes, CallShape)>) -> Duration {
    let (mut sum, mut most_as_last) = (Duration::ZERO, Duration::ZERO);
    for (times, shape) in calls {
        let [earlier, last] = [false, true].map(|is_last| times.planned(shape, is_last));
        sum = sum.saturating_add(earlier);
        most_as_last = most_as_last.max(last.saturating_sub(earlier));
    }
    sum.saturating_add(most_as_last).max(MIN_DEADLINE)
}

/// The least default deadline.
const MIN_DEADLINE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
