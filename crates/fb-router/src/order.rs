//! The order of candidates under each strategy.

use std::cmp::Ordering;

use crate::{Candidate, Facts, RankReason, sticky::rendezvous_score};

/// A candidate's index and the reason for its rank.
pub(crate) type Rank = (usize, RankReason);

/// Compares two keys; the lower one ranks first.
type Compare<K> = fn(&K, &K) -> Ordering;

/// Sorts candidates by a key. Among equal keys, known-healthy candidates come first, then the given order holds.
fn sorted<K>(
    candidates: &[Candidate<'_>],
    indices: &[usize],
    key: impl Fn(&Candidate<'_>) -> K,
    compare: Compare<K>,
    reason: impl Fn(&K, &Candidate<'_>) -> RankReason,
) -> Vec<Rank> {
    let mut keyed: Vec<_> = indices.iter().map(|index| (key(&candidates[*index]), *index)).collect();
    let unknown = |index: usize| !candidates[index].healthy;
    keyed.sort_by(|(a, i), (b, j)| compare(a, b).then(unknown(*i).cmp(&unknown(*j))));
    keyed.into_iter().map(|(key, index)| (index, reason(&key, &candidates[index]))).collect()
}

pub(crate) fn by_priority(candidates: &[Candidate<'_>], indices: &[usize]) -> Vec<Rank> {
    sorted(candidates, indices, |one| one.priority, Ord::cmp, |priority, _| RankReason::Priority(*priority))
}

pub(crate) fn by_weight(candidates: &[Candidate<'_>], indices: &[usize]) -> Vec<Rank> {
    let highest: Compare<f64> = |a, b| b.total_cmp(a);
    let share = |one: &Candidate<'_>| one.effective_weight();
    sorted(candidates, indices, share, highest, |weight, _| RankReason::Weight(*weight))
}

pub(crate) fn by_cost(candidates: &[Candidate<'_>], facts: &Facts<'_>, indices: &[usize]) -> Vec<Rank> {
    let key = |one: &Candidate<'_>| {
        let cost = facts.cost_at(one);
        (cost.is_none(), cost)
    };
    sorted(candidates, indices, key, Ord::cmp, |(_, cost), _| RankReason::Cost(*cost))
}

/// Ranks by calls in flight. `random` selects the first among equally busy candidates; the others follow in list order.
pub(crate) fn by_load(candidates: &[Candidate<'_>], indices: &[usize], random: f64) -> Vec<Rank> {
    let mut rotated = indices.to_vec();
    rotated.rotate_left(draw(random, indices.len()));
    // A ramping target counts as more loaded, so that it receives fewer calls.
    let load = |one: &Candidate<'_>| (f64::from(one.in_flight) + 1.0) / one.traffic_share();
    sorted(candidates, &rotated, load, f64::total_cmp, |_, one| RankReason::InFlight(one.in_flight))
}

pub(crate) fn by_key(candidates: &[Candidate<'_>], indices: &[usize], key: &str) -> Vec<Rank> {
    let score = |one: &Candidate<'_>| rendezvous_score(key, &one.target.to_string(), one.effective_weight());
    sorted(candidates, indices, score, |a, b| b.total_cmp(a), |_, _| RankReason::Key)
}

pub(crate) fn by_score(candidates: &[Candidate<'_>], indices: &[usize]) -> Vec<Rank> {
    sorted(candidates, indices, score, f64::total_cmp, |score, one| match one.latency {
        Some(_) => RankReason::Score(*score),
        None => RankReason::Unmeasured { waiting: one.in_flight > 0 },
    })
}

/// Draws two candidates at random and returns the one with the lower score (power of two choices).
pub(crate) fn lower_of_two(
    candidates: &[Candidate<'_>],
    indices: &[usize],
    random: [f64; 2],
) -> Option<Rank> {
    let first = draw(random[0], indices.len());
    let others = indices.len().checked_sub(1).filter(|others| *others > 0)?;
    let second = draw(random[1], others);
    let second = if second < first { second } else { second + 1 };
    let [first, second] = [indices[first], indices[second]].map(|index| (index, score(&candidates[index])));
    let (index, score) = if second.1 < first.1 { second } else { first };
    let reason = match candidates[index].latency {
        Some(_) => RankReason::Drawn(score),
        None => RankReason::Unmeasured { waiting: candidates[index].in_flight > 0 },
    };
    Some((index, reason))
}

/// Returns the expected duration of one more call, in seconds.
///
/// An unmeasured candidate scores 0 while idle, so that one call measures it, and infinity while that call is in
/// flight.
fn score(candidate: &Candidate<'_>) -> f64 {
    match candidate.latency {
        Some(latency) => latency * (f64::from(candidate.in_flight) + 1.0) / candidate.traffic_share(),
        None if candidate.in_flight == 0 => 0.0,
        None => f64::INFINITY,
    }
}

/// Maps a random number in `[0, 1)` to an index below `len`; 0 if `len` is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "list lengths are small, and float casts saturate"
)]
fn draw(random: f64, len: usize) -> usize {
    ((random * len as f64) as usize).min(len.saturating_sub(1))
}
