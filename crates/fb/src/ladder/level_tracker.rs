use std::{collections::VecDeque, mem, time::Instant};

use fb_core::Level;
use parking_lot::Mutex;

use super::config::LadderConfig;

/// Tracks the level at which the requests of a route start.
///
/// The level moves by itself only among the levels at which models are called, because stale and fixed answers cannot
/// reveal that the models have recovered. Lower levels apply to single requests, or to all by an operator's choice.
#[derive(Debug, Default)]
pub(crate) struct LevelTracker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    level: Level,
    /// Times of the latest requests that no target of this level answered, oldest first; at most `descend_after`.
    unanswered: VecDeque<Instant>,
    /// The start of the present quiet period: the latest unanswered request or change of level. `None` once the top
    /// level is reached again.
    quiet_since: Option<Instant>,
    forced: Option<(Level, Option<Instant>)>,
    /// The level that the latest call of [`LevelTracker::level`] returned.
    reported: Level,
}

impl LevelTracker {
    /// Returns the present level and, if it differs, the level that the previous call returned.
    pub(crate) fn level(&self, config: &LadderConfig, now: Instant) -> (Level, Option<Level>) {
        let mut state = self.state.lock();
        if state.forced(now).is_none() {
            state.climb(config, now);
        }
        let level = state.forced(now).unwrap_or(state.level);
        let previous = mem::replace(&mut state.reported, level);
        (level, (previous != level).then_some(previous))
    }

    /// Records that no target of `level` answered a request. Late results of another level are ignored.
    pub(crate) fn record_unanswered(&self, config: &LadderConfig, level: Level, now: Instant) {
        let mut state = self.state.lock();
        if level != state.level || state.forced(now).is_some() {
            return;
        }
        state.quiet_since = Some(now);
        state.unanswered.push_back(now);
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) <= config.within;
        while state.unanswered.front().is_some_and(|at| !is_recent(at)) {
            state.unanswered.pop_front();
        }
        let is_enough = state.unanswered.len() >= config.descend_after.max(1) as usize;
        if let (true, Some(lower)) = (is_enough, config.next_lower(level)) {
            state.level = lower;
            state.unanswered.clear();
        }
    }

    /// Sets the operator's choice with its expiry, replacing any previous one; `None` removes it.
    pub(crate) fn force(&self, choice: Option<(Level, Option<Instant>)>) {
        self.state.lock().forced = choice;
    }

    /// Returns the operator's choice with its expiry, unless it has expired.
    pub(crate) fn forced(&self, now: Instant) -> Option<(Level, Option<Instant>)> {
        let state = self.state.lock();
        state.forced.filter(|_| state.forced(now).is_some())
    }
}

impl State {
    fn forced(&self, now: Instant) -> Option<Level> {
        let (level, until) = self.forced?;
        until.is_none_or(|until| now < until).then_some(level)
    }

    /// Climbs one level for every quiet period of the configured length that has passed.
    fn climb(&mut self, config: &LadderConfig, now: Instant) {
        while let Some(since) = self.quiet_since
            && let Some(end) = since.checked_add(config.climb)
            && end <= now
        {
            self.unanswered.clear();
            match config.next_higher(self.level) {
                Some(higher) => (self.level, self.quiet_since) = (higher, Some(end)),
                None => self.quiet_since = None,
            }
        }
    }
}

impl LadderConfig {
    /// Returns the next lower configured level at which models are called.
    fn next_lower(&self, level: Level) -> Option<Level> {
        match level {
            Level::Full if self.reduced.is_some() => Some(Level::Reduced),
            Level::Full | Level::Reduced if self.minimal.is_some() => Some(Level::Minimal),
            _ => None,
        }
    }

    fn next_higher(&self, level: Level) -> Option<Level> {
        match level {
            Level::Minimal if self.reduced.is_some() => Some(Level::Reduced),
            Level::Minimal | Level::Reduced => Some(Level::Full),
            Level::Full | Level::Cached | Level::Offline => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::LazyLock, time::Duration};

    use super::*;
    use crate::Rung;

    #[expect(clippy::disallowed_methods, reason = "every point in time is relative to one that is read once")]
    fn at(secs: u64) -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(secs)
    }

    fn both_levels() -> LadderConfig {
        let rung = || Some(Rung::default());
        LadderConfig { reduced: rung(), minimal: rung(), ..LadderConfig::default() }
    }

    #[test]
    fn three_unanswered_requests_in_the_window_descend_and_a_quiet_period_climbs() {
        let (config, tracker) = (both_levels(), LevelTracker::default());
        let mut seen = Vec::new();
        for secs in [0, 20, 31, 40] {
            tracker.record_unanswered(&config, Level::Full, at(secs));
            seen.push(tracker.level(&config, at(secs)).0);
        }
        assert_eq!(seen, [Level::Full, Level::Full, Level::Full, Level::Reduced], "20, 31 and 40");
        for secs in [41, 42] {
            tracker.record_unanswered(&config, Level::Full, at(secs));
        }
        assert_eq!(tracker.level(&config, at(42)).0, Level::Reduced, "late results of another level");
        for secs in [50, 51, 52, 53, 54, 55] {
            tracker.record_unanswered(&config, Level::Reduced, at(secs));
            tracker.record_unanswered(&config, Level::Minimal, at(secs));
        }
        assert_eq!(tracker.level(&config, at(55)).0, Level::Minimal, "no level without models by itself");
        let levels = [114, 115, 174, 175, 10_000].map(|secs| tracker.level(&config, at(secs)).0);
        assert_eq!(levels, [Level::Minimal, Level::Reduced, Level::Reduced, Level::Full, Level::Full]);
    }

    #[test]
    fn unconfigured_levels_are_skipped() {
        let minimal = LadderConfig { reduced: None, ..both_levels() };
        for (config, lower) in [(minimal, Level::Minimal), (LadderConfig::default(), Level::Full)] {
            let tracker = LevelTracker::default();
            for secs in 0..3 {
                tracker.record_unanswered(&config, Level::Full, at(secs));
            }
            assert_eq!(tracker.level(&config, at(3)).0, lower);
            assert_eq!(tracker.level(&config, at(100)).0, Level::Full);
        }
    }

    #[test]
    fn forced_level_holds_until_it_expires_or_is_removed() {
        let (config, tracker) = (both_levels(), LevelTracker::default());
        tracker.force(Some((Level::Offline, Some(at(60)))));
        for secs in 0..5 {
            tracker.record_unanswered(&config, Level::Full, at(secs));
        }
        assert_eq!(tracker.forced(at(59)), Some((Level::Offline, Some(at(60)))));
        assert_eq!([59, 60].map(|secs| tracker.level(&config, at(secs)).0), [Level::Offline, Level::Full]);
        assert_eq!(tracker.forced(at(60)), None);
        tracker.force(Some((Level::Minimal, None)));
        assert_eq!(tracker.level(&config, at(1_000_000)).0, Level::Minimal);
        tracker.force(None);
        assert_eq!(tracker.level(&config, at(1_000_000)).0, Level::Full);
    }
}
