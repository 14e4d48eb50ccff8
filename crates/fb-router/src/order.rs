//! The order of each strategy.

use std::cmp::Ordering;

use crate::{Candidate, Facts, RankReason, sticky::claim};

/// A candidate's index and why it has its rank.
pub(crate) type Rank = (usize, RankReason);

/// Which is the lower.
type Lower<K> = fn(&K, &K) -> Ordering;

/// Sorts by a key; equal keys leave known health before unknown, and then the order given.
fn sorted<K>(
    candidates: &[Candidate<'_>],
    indices: &[usize],
    key: impl Fn(&Candidate<'_>) -> K,
    lower: Lower<K>,
    why: impl Fn(&K, &Candidate<'_>) -> RankReason,
) -> Vec<Rank> {
    let mut keyed: Vec<_> = indices.iter().map(|index| (key(&candidates[*index]), *index)).collect();
    let unknown = |index: usize| !candidates[index].healthy;
    keyed.sort_by(|(a, i), (b, j)| lower(a, b).then(unknown(*i).cmp(&unknown(*j))));
    keyed.into_iter().map(|(key, index)| (index, why(&key, &candidates[index]))).collect()
}

pub(crate) fn by_priority(candidates: &[Candidate<'_>], indices: &[usize]) -> Vec<Rank> {
    sorted(candidates, indices, |one| one.priority, Ord::cmp, |priority, _| RankReason::Priority(*priority))
}

pub(crate) fn by_weight(candidates: &[Candidate<'_>], indices: &[usize]) -> Vec<Rank> {
    let highest: Lower<f64> = |a, b| b.total_cmp(a);
    let share = |one: &Candidate<'_>| one.share_when_back();
    sorted(candidates, indices, share, highest, |weight, _| RankReason::Weight(*weight))
}

pub(crate) fn by_cost(candidates: &[Candidate<'_>], facts: &Facts<'_>, indices: &[usize]) -> Vec<Rank> {
    let key = |one: &Candidate<'_>| {
        let cost = one.cost(facts);
        (cost.is_none(), cost)
    };
    sorted(candidates, indices, key, Ord::cmp, |(_, cost), _| RankReason::Cost(*cost))
}

/// Of those equally busy, the first is drawn by `unit`; the others follow it in list order.
pub(crate) fn by_load(candidates: &[Candidate<'_>], indices: &[usize], unit: f64) -> Vec<Rank> {
    let mut turned = indices.to_vec();
    turned.rotate_left(draw(unit, indices.len()));
    // A target that is just back is as busy with few calls as the others are with many.
    let load = |one: &Candidate<'_>| (f64::from(one.in_flight) + 1.0) / one.part();
    sorted(candidates, &turned, load, f64::total_cmp, |_, one| RankReason::InFlight(one.in_flight))
}

pub(crate) fn by_key(candidates: &[Candidate<'_>], indices: &[usize], key: &str) -> Vec<Rank> {
    let claim = |one: &Candidate<'_>| claim(key, &one.target.to_string(), one.share_when_back());
    sorted(candidates, indices, claim, |a, b| b.total_cmp(a), |_, _| RankReason::Key)
}

pub(crate) fn by_score(candidates: &[Candidate<'_>], indices: &[usize]) -> Vec<Rank> {
    sorted(candidates, indices, score, f64::total_cmp, |score, one| match one.latency {
        Some(_) => RankReason::Score(*score),
        None => RankReason::Unmeasured { waiting: one.in_flight > 0 },
    })
}

/// The one with the lower score of two that chance draws.
pub(crate) fn lower_of_two(candidates: &[Candidate<'_>], indices: &[usize], units: [f64; 2]) -> Option<Rank> {
    let first = draw(units[0], indices.len());
    let others = indices.len().checked_sub(1).filter(|others| *others > 0)?;
    let second = draw(units[1], others);
    let second = if second < first { second } else { second + 1 };
    let [first, second] = [indices[first], indices[second]].map(|index| (index, score(&candidates[index])));
    let (index, score) = if second.1 < first.1 { second } else { first };
    let why = match candidates[index].latency {
        Some(_) => RankReason::Drawn(score),
        None => RankReason::Unmeasured { waiting: candidates[index].in_flight > 0 },
    };
    Some((index, why))
}

/// What a further call is expected to take there, in seconds.
///
/// What was never measured comes before all else for one call, and after all else while that call is out.
fn score(candidate: &Candidate<'_>) -> f64 {
    match candidate.latency {
        Some(latency) => latency * (f64::from(candidate.in_flight) + 1.0) / candidate.part(),
        None if candidate.in_flight == 0 => 0.0,
        None => f64::INFINITY,
    }
}

/// One of so many, by a number from 0 up to 1; 0 of none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place in a list, and casts of floats saturate"
)]
fn draw(unit: f64, of: usize) -> usize {
    ((unit * of as f64) as usize).min(of.saturating_sub(1))
}
