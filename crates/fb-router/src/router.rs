//! The router: orders the targets of a route for one request.

use fb_core::InvalidConfig;
use parking_lot::Mutex;

use crate::{
    Candidate, Facts, Inadmissible, Plan, RankReason, Ranked, RouterConfig, Start, Strategy,
    admissible_among, admissible_as_hedge,
    admission::{fits_window, largest_excluded},
    order::{self, Rank},
    rotation::Rotation,
};

/// Orders the targets of one route for each request.
///
/// The only state between requests is the weighted rotation, so a plan is a function of its arguments and of the plans
/// before it. A clone has a rotation of its own: plan with a clone to preview a decision without consuming a turn.
///
/// # Examples
///
/// ```
/// use fb_core::{ChatRequest, TargetId};
/// use fb_router::{Candidate, Facts, Router, RouterConfig};
///
/// let router = Router::new(RouterConfig::default())?;
/// let targets: [TargetId; 2] = ["openai/large".parse()?, "local/small".parse()?];
/// let candidates = [
///     Candidate { priority: 1, ..Candidate::new(&targets[0]) },
///     Candidate { priority: 0, ..Candidate::new(&targets[1]) },
/// ];
/// let request = ChatRequest::user("why is the sky blue?");
/// let plan = router.plan(&candidates, &Facts::from_request(&request), [0.0, 0.0]);
/// assert_eq!(plan.order[0].target, targets[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// Creates a router with a new rotation.
    ///
    /// # Errors
    /// Returns the first invalid setting.
    pub fn new(config: RouterConfig) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self { config, rotation: Mutex::default() })
    }

    /// Returns the configuration.
    pub const fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// Plans one request. `candidates` are all targets of the route in the order of its list; `random` is two random
    /// numbers in `[0, 1)`.
    ///
    /// The plan contains every candidate once, either ranked or inadmissible. Candidates that cannot be called now are
    /// ranked too, so that the caller can wait for one. The preferred targets that can be called come first, in the order
    /// of the strategy; the request then consumes no turn of the rotation.
    pub fn plan(&self, candidates: &[Candidate<'_>], facts: &Facts<'_>, random: [f64; 2]) -> Plan {
        let (mut usable, mut unusable, mut inadmissible) =
            (Vec::with_capacity(candidates.len()), Vec::new(), Vec::new());
        let verdicts = admissible_among(facts, candidates);
        for (index, (candidate, verdict)) in candidates.iter().zip(verdicts).enumerate() {
            match verdict {
                Err(refusal) => {
                    inadmissible.push(Inadmissible { index, target: candidate.target.clone(), refusal });
                }
                Ok(()) if candidate.eligibility.is_usable() => usable.push(index),
                Ok(()) => unusable.push(index),
            }
        }
        let mut ranks = if self.config.strategy == Strategy::Priority {
            // Under priority an unusable target keeps its rank, because it may be worth waiting for.
            usable.extend(unusable);
            usable.sort_unstable();
            self.order(candidates, facts, random, &usable)
        } else {
            let mut ranks = self.order(candidates, facts, random, &usable);
            ranks.extend(self.order(candidates, facts, random, &unusable));
            ranks
        };
        let is_preferred = |(index, _): &Rank| {
            let Candidate { target, eligibility, .. } = &candidates[*index];
            eligibility.is_usable() && facts.preferred.is_some_and(|name| target.is_named(name))
        };
        if ranks.iter().any(is_preferred) {
            let (preferred, others): (Vec<_>, Vec<_>) = ranks.into_iter().partition(is_preferred);
            let preferred = preferred.into_iter().map(|(index, _)| (index, RankReason::Preferred));
            ranks = preferred.chain(others).collect();
        } else if let Some((first, reason)) = self.first(candidates, facts, random, &usable)
            && let Some(rank) = ranks.iter().position(|(index, _)| *index == first)
        {
            ranks[..=rank].rotate_right(1);
            ranks[0].1 = reason;
        }
        // A target with a window that is too small by estimate is tried after those where the request fits.
        let is_doubtful = |(index, reason): &Rank| {
            !matches!(reason, RankReason::Preferred) && !fits_window(facts, &candidates[*index])
        };
        ranks.sort_by_key(is_doubtful);
        let start = self.start(candidates, facts, &ranks);
        let ranked = |(index, reason): Rank| {
            let Candidate { target, eligibility, .. } = &candidates[index];
            let skip = eligibility.reasons.first().filter(|_| !eligibility.is_usable());
            Ranked { index, target: (*target).clone(), reason, skip: skip.cloned() }
        };
        let doubtful = largest_excluded(facts, candidates)
            .filter(|index| inadmissible.iter().any(|excluded| excluded.index == *index));
        Plan { order: ranks.into_iter().map(ranked).collect(), inadmissible, doubtful, start }
    }

    fn order(
        &self,
        candidates: &[Candidate<'_>],
        facts: &Facts<'_>,
        random: [f64; 2],
        indices: &[usize],
    ) -> Vec<Rank> {
        match self.config.strategy {
            Strategy::Priority | Strategy::Race | Strategy::Hedged => order::by_priority(candidates, indices),
            Strategy::Weighted => order::by_weight(candidates, indices),
            Strategy::Fastest => order::by_score(candidates, indices),
            Strategy::Cheapest => order::by_cost(candidates, facts, indices),
            Strategy::LeastBusy => order::by_load(candidates, indices, random[0]),
            Strategy::Sticky => match facts.sticky_key {
                Some(key) => order::by_key(candidates, indices, key),
                None => order::by_weight(candidates, indices),
            },
        }
    }

    /// Returns the candidate to move to the front of the strategy's order, if any.
    fn first(
        &self,
        candidates: &[Candidate<'_>],
        facts: &Facts<'_>,
        random: [f64; 2],
        usable: &[usize],
    ) -> Option<Rank> {
        match self.config.strategy {
            Strategy::Weighted => self.next_turn(candidates, usable),
            Strategy::Sticky if facts.sticky_key.is_none() => self.next_turn(candidates, usable),
            Strategy::Fastest => order::lower_of_two(candidates, usable, random),
            Strategy::Sticky
            | Strategy::Priority
            | Strategy::Cheapest
            | Strategy::LeastBusy
            | Strategy::Race
            | Strategy::Hedged => None,
        }
    }

    fn next_turn(&self, candidates: &[Candidate<'_>], usable: &[usize]) -> Option<Rank> {
        let mut weights = vec![0; candidates.len()];
        for index in usable {
            weights[*index] = millionths(candidates[*index].effective_weight());
        }
        let index = self.rotation.lock().next(&weights)?;
        #[expect(clippy::cast_precision_loss, reason = "a share for display")]
        let share = weights[index] as f64 / weights.iter().sum::<u64>() as f64;
        Some((index, RankReason::Turn(share)))
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

/// Converts a weight to millionths, rounding positive weights up to at least 1.
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
