use fb_core::{AttemptEnd, CacheUse, Next, Skip};

/// A label value that is a constant of the code, which bounds the number of series.
pub(crate) type StaticLabel = &'static str;

/// The outcome of a call: `ok`, `blocked`, `cancelled` or the kind of its failure.
pub(crate) fn attempt_outcome(end: &AttemptEnd) -> StaticLabel {
    match end {
        AttemptEnd::Running => "running",
        AttemptEnd::Ok { .. } => "ok",
        AttemptEnd::Failed(failure) => failure.kind().name(),
        AttemptEnd::Blocked { .. } => "blocked",
        AttemptEnd::Cancelled => "cancelled",
        AttemptEnd::Skipped { .. } => "skipped",
    }
}

/// The reason for which a request left a target: the kind of its failure, or the reason of its skip.
pub(crate) fn hop_reason(end: &AttemptEnd) -> StaticLabel {
    match end {
        AttemptEnd::Skipped { why, .. } => skip_reason(why),
        end => attempt_outcome(end),
    }
}

/// The reason for which a target was skipped.
pub(crate) const fn skip_reason(why: &Skip) -> StaticLabel {
    match why {
        Skip::BreakerOpen => "breaker_open",
        Skip::ProviderOpen => "provider_open",
        Skip::Cooling => "cooling",
        Skip::Ramping => "ramping",
        Skip::LowQuality => "low_quality",
        Skip::Ejected => "ejected",
        Skip::Unhealthy => "unhealthy",
        Skip::KeyRejected => "key_rejected",
        Skip::AtCapacity => "at_capacity",
        Skip::Ledger => "ledger",
        Skip::Budget { .. } => "budget",
        Skip::Inadmissible(_) => "inadmissible",
        Skip::Attempts => "attempts",
        Skip::NoTime => "no_time",
    }
}

/// The decision after an attempt.
pub(crate) const fn next_step(next: Next) -> StaticLabel {
    match next {
        Next::Nothing => "nothing",
        Next::RetryIn(_) => "retry",
        Next::OtherKey => "other_key",
        Next::Repair => "repair",
        Next::WaitFor(_) => "wait",
        Next::Hop => "hop",
        Next::Resume => "resume",
        Next::Surface => "surface",
    }
}

/// The result of a request's cache lookup.
pub(crate) const fn cache_result(used: &CacheUse) -> StaticLabel {
    match used {
        CacheUse::Miss => "miss",
        CacheUse::Coalesced => "coalesced",
        CacheUse::Hit { .. } => "hit",
        CacheUse::Stale { .. } => "stale",
    }
}
