use std::{collections::VecDeque, mem, time::Instant};

use fb_core::Level;
use parking_lot::Mutex;

use super::LadderConfig;

/// At which level the requests of a route begin.
///
/// By itself it only goes as far as models are called: whether they answer again is not found out by old answers. What
/// comes below is for one request alone, or an operator's to say.
#[derive(Debug, Default)]
pub(crate) struct Descent {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    level: Level,
    /// When requests of this level found nobody, the oldest first; at most `descend_after` of them.
    unanswered: VecDeque<Instant>,
    /// When it last went down or up, or found nobody.
    troubled: Option<Instant>,
    forced: Option<(Level, Option<Instant>)>,
    /// What was last said of it.
    said: Level,
}

impl Descent {
    /// Where a request begins now, and where one began when this was last asked, if that is another level.
    pub(crate) fn level(&self, config: &LadderConfig, now: Instant) -> (Level, Option<Level>) {
        let mut state = self.state.lock();
        if state.forced(now).is_none() {
            state.climb(config, now);
        }
        let level = state.forced(now).map_or(state.level, |level| config.nearest(level));
        let said = mem::replace(&mut state.said, level);
        (level, (said != level).then_some(said))
    }

    /// A request that began at this level found nobody there.
    pub(crate) fn exhausted(&self, config: &LadderConfig, level: Level, now: Instant) {
        let mut state = self.state.lock();
        if level != state.level || state.forced(now).is_some() {
            return;
        }
        state.troubled = Some(now);
        state.unanswered.push_back(now);
        let within = |when: &Instant| now.saturating_duration_since(*when) <= config.within;
        while state.unanswered.front().is_some_and(|when| !within(when)) {
            state.unanswered.pop_front();
        }
        let enough = state.unanswered.len() >= config.descend_after.max(1) as usize;
        if let (true, Some(below)) = (enough, config.below(level)) {
            state.level = below;
            state.unanswered.clear();
        }
    }

    /// An operator's word, in place of an earlier one; `None` takes it back.
    pub(crate) fn force(&self, decision: Option<(Level, Option<Instant>)>) {
        self.state.lock().forced = decision;
    }

    /// What an operator said, while it lasts.
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

    /// One level for every span without trouble.
    fn climb(&mut self, config: &LadderConfig, now: Instant) {
        while let Some(troubled) = self.troubled
            && let Some(well) = troubled.checked_add(config.climb)
            && well <= now
        {
            self.unanswered.clear();
            match config.above(self.level) {
                Some(above) => (self.level, self.troubled) = (above, Some(well)),
                None => self.troubled = None,
            }
        }
    }
}

impl LadderConfig {
    /// The next level at which models are called.
    pub(crate) fn below(&self, level: Level) -> Option<Level> {
        match level {
            Level::Full if self.reduced.is_some() => Some(Level::Reduced),
            Level::Full | Level::Reduced if self.minimal.is_some() => Some(Level::Minimal),
            _ => None,
        }
    }

    /// The level that stands for one that the route may not have: the next lower one at which models are called, else
    /// the next higher one.
    pub(crate) fn nearest(&self, level: Level) -> Level {
        match level {
            Level::Reduced | Level::Minimal => {
                let lower =
                    if level == Level::Reduced && self.reduced.is_some() { Some(level) } else { None };
                lower
                    .or_else(|| self.minimal.as_ref().map(|_| Level::Minimal))
                    .or_else(|| self.reduced.as_ref().map(|_| Level::Reduced))
                    .unwrap_or(Level::Full)
            }
            Level::Full | Level::Cached | Level::Offline => level,
        }
    }

    fn above(&self, level: Level) -> Option<Level> {
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
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        *BEGINNING + Duration::from_secs(secs)
    }

    fn both() -> LadderConfig {
        let rung = || Some(Rung::default());
        LadderConfig { reduced: rung(), minimal: rung(), ..LadderConfig::default() }
    }

    #[test]
    fn three_in_half_a_minute_lower_a_level_and_a_quiet_minute_raises_one() {
        let (config, descent) = (both(), Descent::default());
        let mut seen = Vec::new();
        // (second, what was found nobody at)
        for (secs, level) in [(0, Level::Full), (20, Level::Full), (31, Level::Full), (40, Level::Full)] {
            descent.exhausted(&config, level, at(secs));
            seen.push(descent.level(&config, at(secs)).0);
        }
        assert_eq!(seen, [Level::Full, Level::Full, Level::Full, Level::Reduced], "20, 31 and 40");
        for secs in [41, 42] {
            descent.exhausted(&config, Level::Full, at(secs));
        }
        assert_eq!(descent.level(&config, at(42)).0, Level::Reduced, "late news of another level");
        for secs in [50, 51, 52, 53, 54, 55] {
            descent.exhausted(&config, Level::Reduced, at(secs));
            descent.exhausted(&config, Level::Minimal, at(secs));
        }
        assert_eq!(descent.level(&config, at(55)).0, Level::Minimal, "no further by itself");
        let levels = [114, 115, 174, 175, 10_000].map(|secs| descent.level(&config, at(secs)).0);
        assert_eq!(levels, [Level::Minimal, Level::Reduced, Level::Reduced, Level::Full, Level::Full]);
    }

    #[test]
    fn a_level_that_is_not_set_is_stepped_over_and_without_any_nothing_moves() {
        let minimal = LadderConfig { reduced: None, ..both() };
        for (config, down) in [(minimal, Level::Minimal), (LadderConfig::default(), Level::Full)] {
            let descent = Descent::default();
            for secs in 0..3 {
                descent.exhausted(&config, Level::Full, at(secs));
            }
            assert_eq!(descent.level(&config, at(3)).0, down);
            assert_eq!(descent.level(&config, at(100)).0, Level::Full);
        }
    }

    #[test]
    fn an_operator_decides_for_as_long_as_said() {
        let (config, descent) = (both(), Descent::default());
        descent.force(Some((Level::Offline, Some(at(60)))));
        for secs in 0..5 {
            descent.exhausted(&config, Level::Full, at(secs));
        }
        assert_eq!(descent.forced(at(59)), Some((Level::Offline, Some(at(60)))));
        assert_eq!([59, 60].map(|secs| descent.level(&config, at(secs)).0), [Level::Offline, Level::Full]);
        assert_eq!(descent.forced(at(60)), None);
        descent.force(Some((Level::Minimal, None)));
        assert_eq!(descent.level(&config, at(1_000_000)).0, Level::Minimal);
        descent.force(None);
        assert_eq!(descent.level(&config, at(1_000_000)).0, Level::Full);
    }
}
