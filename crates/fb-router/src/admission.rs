//! Admissibility: the rules that decide whether a request may reach a target at all.

use fb_core::Refusal;

use crate::{Candidate, Facts};

/// Checks that the request may be sent to the target.
///
/// This one predicate covers every way in which a request reaches a target: the first call, a fallback, a hedge, a
/// cached answer, a probe. It does not consider whether the target can be called *now*, which is the candidate's
/// eligibility. An unknown property of the target (region, price) fails a rule about it. Without rules the check costs
/// nothing.
///
/// # Errors
/// Returns the first rule that forbids the target.
pub fn admissible(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    check_rules(facts, candidate)?;
    check_window(facts, candidate)
}

/// Checks each of the targets that a request has with [`admissible`].
///
/// The number of tokens is an estimate. If it alone excludes every target that is left, the one with the largest window
/// is admissible all the same.
pub fn admissible_among(facts: &Facts<'_>, candidates: &[Candidate<'_>]) -> Vec<Result<(), Refusal>> {
    let mut verdicts: Vec<_> = candidates.iter().map(|candidate| admissible(facts, candidate)).collect();
    if verdicts.iter().all(Result::is_err)
        && let Some(index) = largest_excluded(facts, candidates)
    {
        verdicts[index] = Ok(());
    }
    verdicts
}

/// Returns the index of the target with the largest window among those that only the estimated number of tokens excludes.
pub(crate) fn largest_excluded(facts: &Facts<'_>, candidates: &[Candidate<'_>]) -> Option<usize> {
    let is_excluded = |candidate: &Candidate<'_>| {
        check_rules(facts, candidate).is_ok() && check_window(facts, candidate).is_err()
    };
    let excluded = candidates.iter().enumerate().filter(|(_, candidate)| is_excluded(candidate));
    // From the end, so that the first of several with the same window is found.
    excluded.rev().max_by_key(|(_, candidate)| candidate.capabilities.context).map(|(index, _)| index)
}

/// Returns true if the request fits the target's context window by estimate, or if the window is unknown.
pub(crate) fn fits_window(facts: &Facts<'_>, candidate: &Candidate<'_>) -> bool {
    candidate.capabilities.context.is_none_or(|context| facts.max_total_tokens() <= context)
}

/// Checks all rules except the one that depends on an estimate.
fn check_rules(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    check_tenant_rules(facts, candidate)?;
    check_capabilities(facts, candidate)?;
    check_output(facts, candidate)?;
    check_cost(facts, candidate)
}

/// Returns whether an [`admissible`] target may also receive the second call of a hedge.
///
/// Requests with provider-side tools are never sent twice, because the tools would run twice. A half-open or unusable
/// target gets no second call.
pub fn admissible_as_hedge(facts: &Facts<'_>, candidate: &Candidate<'_>) -> bool {
    !facts.server_tools && !candidate.half_open && candidate.eligibility.is_usable()
}

fn check_tenant_rules(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    if let Some(allowed) = facts.allowed
        && !allowed.iter().any(|name| candidate.target.is_named(name))
    {
        return Err(Refusal::new("allowed", "not among the targets allowed"));
    }
    if let Some(regions) = facts.regions {
        match candidate.region {
            None => return Err(Refusal::new("region", "its region is not known")),
            Some(region) if !regions.iter().any(|allowed| allowed == region) => {
                return Err(Refusal::new("region", format!("{region} is not allowed")));
            }
            Some(_) => {}
        }
    }
    if let Some(class) = facts.data_class
        && !candidate.data_classes.iter().any(|approved| approved == class)
    {
        return Err(Refusal::new("data_class", format!("not approved for {class}")));
    }
    Ok(())
}

fn check_capabilities(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    let (needs, able) = (facts.needs, candidate.capabilities);
    let rules = [
        (needs.tools, able.tools, "tools", "calls no functions"),
        (needs.parallel_tools, candidate.parallel_tools, "parallel_tools", "calls one function at a time"),
        (needs.json_schema, able.json_schema, "json_schema", "follows no schema"),
        (needs.vision, able.vision, "vision", "sees no pictures"),
        (needs.streaming, able.streaming, "stream", "does not stream"),
    ];
    match rules.into_iter().find(|(needed, able, ..)| *needed && !able) {
        Some((_, _, field, reason)) => Err(Refusal::new(field, reason)),
        None => Ok(()),
    }
}

fn check_output(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    if let (Some(wanted), Some(most)) = (facts.max_output, candidate.max_output)
        && wanted > most
    {
        return Err(Refusal::new("max_tokens", format!("{wanted} wanted, at most {most}")));
    }
    Ok(())
}

/// Checks the context window. The number of tokens is estimated from bytes and may be a third too high for plain words,
/// so only a request that exceeds the window by more than half is refused.
fn check_window(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    match candidate.capabilities.context {
        Some(context) if facts.max_total_tokens() > context.saturating_add(context / 2) => {
            let total = facts.max_total_tokens();
            Err(Refusal::new("context", format!("about {total} tokens with the answer, at most {context}")))
        }
        _ => Ok(()),
    }
}

fn check_cost(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    let Some(ceiling) = facts.ceiling else { return Ok(()) };
    match facts.cost_at(candidate) {
        None => Err(Refusal::new("price", "its price is not known")),
        Some(cost) if cost > ceiling => {
            Err(Refusal::new("price", format!("{cost} expected, at most {ceiling}")))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
