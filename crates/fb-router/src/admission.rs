//! What a target may be asked at all.

use fb_core::Refusal;

use crate::{Candidate, Facts};

/// Whether the request may be sent to the target.
///
/// One predicate for every way a request reaches a target: the first call, a hop, a hedge, an answer from the cache, a
/// probe. It says nothing about whether the target can be called *now*. What the operator did not tell of a target
/// (region, price) counts against it when the request has a rule about it. Costs nothing for a request without rules.
///
/// # Errors
/// The first rule that forbids it.
pub fn admissible(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    may_see(facts, candidate)?;
    can_do(facts, candidate)?;
    fits(facts, candidate)?;
    is_affordable(facts, candidate)
}

fn may_see(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    if let Some(allowed) = facts.allowed {
        let (provider, model) = (candidate.target.provider().as_str(), candidate.target.model());
        let names = |entry: &String| {
            entry.split_once('/').map_or(entry == provider, |(p, m)| p == provider && m == model)
        };
        if !allowed.iter().any(names) {
            return Err(Refusal::new("allowed", "not among the targets allowed"));
        }
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

fn can_do(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    let (needs, able) = (facts.needs, candidate.capabilities);
    let rules = [
        (needs.tools, able.tools, "tools", "calls no functions"),
        (needs.parallel_tools, candidate.parallel_tools, "parallel_tools", "calls one function at a time"),
        (needs.json_schema, able.json_schema, "json_schema", "follows no schema"),
        (needs.vision, able.vision, "vision", "sees no pictures"),
        (needs.streaming, able.streaming, "stream", "does not stream"),
    ];
    match rules.into_iter().find(|(needed, able, ..)| *needed && !able) {
        Some((_, _, field, why)) => Err(Refusal::new(field, why)),
        None => Ok(()),
    }
}

fn fits(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    if let (Some(wanted), Some(most)) = (facts.max_output, candidate.max_output)
        && wanted > most
    {
        return Err(Refusal::new("max_tokens", format!("{wanted} wanted, at most {most}")));
    }
    match candidate.capabilities.context {
        Some(context) if facts.most_tokens() > context => {
            let total = facts.most_tokens();
            Err(Refusal::new("context", format!("about {total} tokens with the answer, at most {context}")))
        }
        _ => Ok(()),
    }
}

fn is_affordable(facts: &Facts<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    let Some(ceiling) = facts.ceiling else { return Ok(()) };
    match candidate.cost(facts) {
        None => Err(Refusal::new("price", "its price is not known")),
        Some(cost) if cost > ceiling => {
            Err(Refusal::new("price", format!("{cost} expected, at most {ceiling}")))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
