use fb_core::{AttemptEnd, CacheUse, Next, Skip};

/// A word out of this workspace's code: so there are few.
pub(crate) type Word = &'static str;

/// How a call ended: `ok`, `blocked`, `cancelled` or the kind of its failure.
pub(crate) fn end_word(end: &AttemptEnd) -> Word {
    match end {
        AttemptEnd::Running => "running",
        AttemptEnd::Ok { .. } => "ok",
        AttemptEnd::Failed(failure) => failure.kind().name(),
        AttemptEnd::Blocked { .. } => "blocked",
        AttemptEnd::Cancelled => "cancelled",
        AttemptEnd::Skipped { .. } => "skipped",
    }
}

/// Why a target was passed over.
pub(crate) const fn skip_word(why: &Skip) -> Word {
    match why {
        Skip::BreakerOpen => "breaker_open",
        Skip::Cooling => "cooling",
        Skip::Ramping => "ramping",
        Skip::Ejected => "ejected",
        Skip::Unhealthy => "unhealthy",
        Skip::KeyRejected => "key_rejected",
        Skip::AtCapacity => "at_capacity",
        Skip::Budget { .. } => "budget",
        Skip::Inadmissible(_) => "inadmissible",
        Skip::Attempts => "attempts",
        Skip::NoTime => "no_time",
    }
}

/// What was decided after an attempt.
pub(crate) const fn next_word(next: Next) -> Word {
    match next {
        Next::Nothing => "nothing",
        Next::RetryIn(_) => "retry",
        Next::Repair => "repair",
        Next::WaitFor(_) => "wait",
        Next::Hop => "hop",
        Next::Surface => "surface",
    }
}

/// What the cache had to do with a request.
pub(crate) const fn cache_word(used: &CacheUse) -> Word {
    match used {
        CacheUse::Miss => "miss",
        CacheUse::Coalesced => "coalesced",
        CacheUse::Hit { .. } => "hit",
        CacheUse::Stale { .. } => "stale",
    }
}
