use fb_core::{Capabilities, Eligibility, Money, Price, Skip, TargetId};

use super::*;
use crate::Needs;

/// A target with every possible limit.
fn limited(target: &TargetId) -> Candidate<'_> {
    Candidate {
        price: Some(Price { input: 1.0, output: 2.0 }),
        capabilities: Capabilities {
            tools: false,
            json_schema: false,
            vision: false,
            streaming: false,
            prefill: false,
            context: Some(100),
            max_body: None,
        },
        parallel_tools: false,
        max_output: Some(50),
        region: Some("us"),
        ..Candidate::new(target)
    }
}

#[test]
fn every_rule_refuses_with_its_field() {
    let target: TargetId = "a/m".parse().unwrap();
    let (limited, unlimited) = (limited(&target), Candidate::new(&target));
    let needs = |needs| Facts { needs, ..Facts::default() };
    let tokens = |input_tokens, max_output| Facts { input_tokens, max_output, ..Facts::default() };
    let (eu, us) = (["eu".to_owned()], ["eu".to_owned(), "us".to_owned()]);
    let regions = |regions| Facts { regions: Some(regions), ..Facts::default() };
    let health = Facts { data_class: Some("health"), ..Facts::default() };
    let classes = ["health".to_owned()];
    let approved = Candidate { data_classes: &classes, ..unlimited.clone() };
    // 10 tokens at 1,000 nano-dollars and 20 at 2,000.
    let with_ceiling = |ceiling| Facts {
        input_tokens: 10,
        max_output: Some(20),
        ceiling: Some(Money::from_nanos(ceiling)),
        ..Facts::default()
    };
    let none = Needs::default();
    for (facts, candidate, expected) in [
        (Facts::default(), &limited, None),
        (Facts::default(), &unlimited, None),
        (needs(Needs { tools: true, ..none }), &limited, Some("tools: calls no functions")),
        (
            needs(Needs { parallel_tools: true, ..none }),
            &limited,
            Some("parallel_tools: calls one function at a time"),
        ),
        (needs(Needs { json_schema: true, ..none }), &limited, Some("json_schema: follows no schema")),
        (needs(Needs { vision: true, ..none }), &limited, Some("vision: sees no pictures")),
        (needs(Needs { streaming: true, ..none }), &limited, Some("stream: does not stream")),
        (
            needs(Needs {
                tools: true,
                parallel_tools: true,
                json_schema: true,
                vision: true,
                streaming: true,
            }),
            &unlimited,
            None,
        ),
        (tokens(50, Some(50)), &limited, None),
        (tokens(0, Some(51)), &limited, Some("max_tokens: 51 wanted, at most 50")),
        // An estimate may be wrong by half.
        (tokens(150, None), &limited, None),
        (tokens(151, None), &limited, Some("context: about 151 tokens with the answer, at most 100")),
        (tokens(101, Some(50)), &limited, Some("context: about 151 tokens with the answer, at most 100")),
        (tokens(u64::MAX, Some(u64::MAX)), &unlimited, None),
        (regions(&eu), &limited, Some("region: us is not allowed")),
        (regions(&us), &limited, None),
        (regions(&us), &unlimited, Some("region: its region is not known")),
        (regions(&[]), &limited, Some("region: us is not allowed")),
        (health.clone(), &unlimited, Some("data_class: not approved for health")),
        (health, &approved, None),
        (with_ceiling(50_000), &limited, None),
        (with_ceiling(49_999), &limited, Some("price: $0.0001 expected, at most $0.0000")),
        (with_ceiling(50_000), &unlimited, Some("price: its price is not known")),
    ] {
        let refused = admissible(&facts, candidate).err().map(|refusal| refusal.to_string());
        assert_eq!(refused.as_deref(), expected, "{facts:?} at {candidate:?}");
    }
}

#[test]
fn an_estimate_does_not_exclude_the_last_target() {
    let names: [TargetId; 4] = ["a/m", "b/m", "c/m", "d/m"].map(|name| name.parse().unwrap());
    let candidate = |index: usize, tools, context| Candidate {
        capabilities: Capabilities { tools, context: Some(context), ..Capabilities::default() },
        ..Candidate::new(&names[index])
    };
    let all =
        [candidate(0, true, 10), candidate(1, true, 20), candidate(2, true, 20), candidate(3, false, 30)];
    let facts = |input_tokens| Facts {
        needs: Needs { tools: true, ..Needs::default() },
        input_tokens,
        ..Facts::default()
    };
    let admitted = |tokens| {
        let verdicts = admissible_among(&facts(tokens), &all);
        verdicts.iter().map(Result::is_ok).collect::<Vec<_>>()
    };
    assert_eq!(admitted(15), [true, true, true, false]);
    assert_eq!(admitted(30), [false, true, true, false]);
    // Only by estimate too long for each that could take it: the largest window is left.
    assert_eq!(admitted(31), [false, true, false, false]);
    assert_eq!(admitted(u64::MAX), [false, true, false, false]);
}

#[test]
fn allowed_entries_match_providers_or_targets() {
    let target: TargetId = "a/m/large".parse().unwrap();
    for (allowed, admitted) in [
        (&["a"][..], true),
        (&["a/m/large"], true),
        (&["b", "a"], true),
        (&["a/m"], false),
        (&["b/m/large"], false),
        (&["b"], false),
        (&[], false),
    ] {
        let allowed: Vec<_> = allowed.iter().map(|entry| (*entry).to_owned()).collect();
        let facts = Facts { allowed: Some(&allowed), ..Facts::default() };
        let refusal = Refusal::new("allowed", "not among the targets allowed");
        let expected = if admitted { Ok(()) } else { Err(refusal) };
        assert_eq!(admissible(&facts, &Candidate::new(&target)), expected, "{allowed:?}");
    }
}

#[test]
fn requests_with_server_tools_and_unusable_targets_are_not_hedged() {
    let target = "a/m".parse().unwrap();
    let usable = Candidate::new(&target);
    let half_open = Candidate { half_open: true, ..usable.clone() };
    let barred = Eligibility::unusable(Skip::Cooling, None);
    let barred = Candidate { eligibility: barred, ..usable.clone() };
    let (plain, server_tools) = (Facts::default(), Facts { server_tools: true, ..Facts::default() });
    for (facts, candidate, expected) in [
        (&plain, &usable, true),
        (&server_tools, &usable, false),
        (&plain, &half_open, false),
        (&plain, &barred, false),
    ] {
        assert_eq!(admissible_as_hedge(facts, candidate), expected, "{facts:?} {candidate:?}");
    }
}
