//! One decision: who is tried, in which order.

use parking_lot::Mutex;

use crate::{
    Candidate, Facts, Inadmissible, InvalidConfig, Plan, RankReason, Ranked, RouterConfig, Start, Strategy,
    admissible, admissible_as_hedge,
    order::{self, Rank},
    rotation::Rotation,
};

/// Chooses among the targets of one route.
///
/// All it keeps between requests is whose turn it is by weight, so a plan is a function of its arguments and of the
/// plans before it. A clone takes turns of its own: to ask what *would* be done, ask a clone.
#[derive(Debug)]
pub struct Router {
    config: RouterConfig,
    rotation: Mutex<Rotation>,
}

impl Clone for Router {
    fn clone(&self) -> Self {
        Self { config: self.config.clone(), rotation: Mutex::new(self.rotation.lock().clone()) }
    }
}

impl Router {
    /// A router that begins its turns.
    ///
    /// # Errors
    /// Names the setting no router could work with.
    pub fn new(config: RouterConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { config, rotation: Mutex::default() })
    }

    /// Its settings.
    pub const fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// Decides for one request; `candidates` are all targets of the route in the order of its list, `units` two random
    /// numbers from 0 up to 1.
    ///
    /// Every candidate is in the plan once, ranked or refused. One that may not be called right now is ranked too, so
    /// that it can be waited for. A preferred target comes first if it may be called, and the request then takes
    /// nobody's turn.
    pub fn plan(&self, candidates: &[Candidate<'_>], facts: &Facts<'_>, units: [f64; 2]) -> Plan {
        let (mut open, mut barred, mut inadmissible) =
            (Vec::with_capacity(candidates.len()), Vec::new(), Vec::new());
        for (index, candidate) in candidates.iter().enumerate() {
            match admissible(facts, candidate) {
                Err(refusal) => {
                    inadmissible.push(Inadmissible { index, target: candidate.target.clone(), refusal });
                }
                Ok(()) if candidate.eligibility.is_usable() => open.push(index),
                Ok(()) => barred.push(index),
            }
        }
        let mut ranks = if self.config.strategy == Strategy::Priority {
            // Here a barred target keeps its place: it may be worth waiting for.
            open.extend(barred);
            open.sort_unstable();
            self.order(candidates, facts, units, &open)
        } else {
            let mut ranks = self.order(candidates, facts, units, &open);
            ranks.extend(self.order(candidates, facts, units, &barred));
            ranks
        };
        if let Some((first, why)) = self.first(candidates, facts, units, &open)
            && let Some(place) = ranks.iter().position(|(index, _)| *index == first)
        {
            ranks[..=place].rotate_right(1);
            ranks[0].1 = why;
        }
        let start = self.start(candidates, facts, &ranks);
        let ranked = |(index, reason): Rank| {
            let Candidate { target, eligibility, .. } = &candidates[index];
            let skip = eligibility.reasons.first().filter(|_| !eligibility.is_usable());
            Ranked { index, target: (*target).clone(), reason, skip: skip.cloned() }
        };
        Plan { order: ranks.into_iter().map(ranked).collect(), inadmissible, start }
    }

    fn order(
        &self,
        candidates: &[Candidate<'_>],
        facts: &Facts<'_>,
        units: [f64; 2],
        indices: &[usize],
    ) -> Vec<Rank> {
        match self.config.strategy {
            Strategy::Priority | Strategy::Race | Strategy::Hedged => order::by_priority(candidates, indices),
            Strategy::Weighted => order::by_weight(candidates, indices),
            Strategy::Fastest => order::by_score(candidates, indices),
            Strategy::Cheapest => order::by_cost(candidates, facts, indices),
            Strategy::LeastBusy => order::by_load(candidates, indices, units[0]),
            Strategy::Sticky => match facts.sticky_key {
                Some(key) => order::by_key(candidates, indices, key),
                None => order::by_weight(candidates, indices),
            },
        }
    }

    /// Who comes before the order of the strategy.
    fn first(
        &self,
        candidates: &[Candidate<'_>],
        facts: &Facts<'_>,
        units: [f64; 2],
        open: &[usize],
    ) -> Option<Rank> {
        let preferred = |index: &&usize| {
            let Candidate { target, eligibility, .. } = &candidates[**index];
            Some(*target) == facts.preferred && eligibility.is_usable()
        };
        if let Some(index) = open.iter().find(preferred) {
            return Some((*index, RankReason::Preferred));
        }
        match self.config.strategy {
            Strategy::Weighted => self.turn(candidates, open),
            Strategy::Sticky if facts.sticky_key.is_none() => self.turn(candidates, open),
            Strategy::Fastest => order::lower_of_two(candidates, open, units),
            Strategy::Sticky
            | Strategy::Priority
            | Strategy::Cheapest
            | Strategy::LeastBusy
            | Strategy::Race
            | Strategy::Hedged => None,
        }
    }

    fn turn(&self, candidates: &[Candidate<'_>], open: &[usize]) -> Option<Rank> {
        let mut weights = vec![0; candidates.len()];
        for index in open {
            weights[*index] = millionths(candidates[*index].share_when_back());
        }
        let index = self.rotation.lock().turn(&weights)?;
        #[expect(clippy::cast_precision_loss, reason = "a part to look at")]
        let part = weights[index] as f64 / weights.iter().sum::<u64>() as f64;
        Some((index, RankReason::Turn(part)))
    }

    fn start(&self, candidates: &[Candidate<'_>], facts: &Facts<'_>, ranks: &[Rank]) -> Start {
        let usable = || {
            let ranked = ranks.iter().map(|(index, _)| &candidates[*index]);
            ranked.filter(|candidate| candidate.eligibility.is_usable())
        };
        match self.config.strategy {
            Strategy::Race if !facts.server_tools => {
                match usable().count().min(self.config.race.width.unwrap_or(usize::MAX)) {
                    ..2 => Start::Sequential,
                    count => Start::Parallel(count),
                }
            }
            Strategy::Hedged => {
                let after = |first: &Candidate<'_>| self.config.hedge.delay(first.p95, first.samples);
                match (usable().next().and_then(after), usable().nth(1)) {
                    (Some(after), Some(second)) if admissible_as_hedge(facts, second) => {
                        Start::Hedged { after }
                    }
                    _ => Start::Sequential,
                }
            }
            Strategy::Race
            | Strategy::Priority
            | Strategy::Weighted
            | Strategy::Fastest
            | Strategy::Cheapest
            | Strategy::LeastBusy
            | Strategy::Sticky => Start::Sequential,
        }
    }
}

/// The weight in millionths; what is more than 0 stays so.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, and a weight is at most 10^6"
)]
fn millionths(weight: f64) -> u64 {
    (weight.min(Candidate::MAX_WEIGHT) * 1e6).round().max(1.0) as u64
}

#[cfg(test)]
mod tests;
