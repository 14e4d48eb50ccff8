/// A small change of the sources that breaks something.
pub(super) struct Mutation {
    pub(super) breaks: &'static str,
    pub(super) file: &'static str,
    /// Stands there once.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// One of each kind of promise: limits, order, guards, bytes, books, money.
pub(super) const MUTATIONS: [Mutation; 17] = [
    Mutation {
        breaks: "one attempt more than the envelope has",
        file: "crates/fb/src/engine/admission.rs",
        from: "record.calls() >= ctx.envelope.attempts",
        to: "record.calls() > ctx.envelope.attempts",
    },
    Mutation {
        breaks: "a retry waits past the deadline",
        file: "crates/fb/src/engine/decide.rs",
        from: "s.envelope.affords_retry(s.now, wait, s.used, s.later).then_some(wait)",
        to: "(s.used + s.later < s.envelope.attempts).then_some(wait)",
    },
    Mutation {
        breaks: "a dropped permit is never given back",
        file: "crates/fb-breaker/src/permit.rs",
        from: "if !self.settled {",
        to: "if !self.settled && thread::panicking() {",
    },
    Mutation {
        breaks: "a slot is never given back",
        file: "crates/fb/src/engine/target_state.rs",
        from: "in_flight.fetch_sub(1, Ordering::Relaxed);",
        to: "in_flight.fetch_sub(0, Ordering::Relaxed);",
    },
    Mutation {
        breaks: "a target takes one call more than it may",
        file: "crates/fb/src/engine/target_state.rs",
        from: "before < max",
        to: "before <= max",
    },
    Mutation {
        breaks: "a block moves on to the next target",
        file: "crates/fb/src/engine/attempts.rs",
        from: "return blocked(target, admitted, block),",
        to: "{ drop(blocked(target, admitted, block)); return TargetOutcome::MoveOn; }",
    },
    Mutation {
        breaks: "only the first target is asked whether it can",
        file: "crates/fb/src/engine/admission.rs",
        from: "    if number == 1 {\n",
        to: "    if number == 1 && record.calls() == 0 {\n",
    },
    Mutation {
        breaks: "a mistake of the caller is repeated",
        file: "crates/fb/src/engine/decide.rs",
        from: "Retry::Never | Retry::Repair => return None,",
        to: "Retry::Never | Retry::Repair => (Pace::AtOnce, 1),",
    },
    Mutation {
        breaks: "the frame that commits a stream is lost",
        file: "crates/fb/src/engine/attempt.rs",
        from: "        if commits {\n",
        to: "        if commits {\n            drop(frames.pop_back());\n",
    },
    Mutation {
        breaks: "a stream that was cut ends like a whole one",
        file: "crates/fb/src/engine/stream.rs",
        from: "Poll::Ready(Some(Err(Failure::new(FailureKind::Interrupted, detail))))",
        to: "Poll::Ready(detail.is_empty().then(|| unreachable!()))",
    },
    Mutation {
        breaks: "retries have no row in the trace",
        file: "crates/fb/src/engine/record.rs",
        from: "            state.rows.push(row);\n            (state.rows.len() - 1, span)",
        to: "            if number == 1 { state.rows.push(row) }\n            (state.rows.len().saturating_sub(1), span)",
    },
    Mutation {
        breaks: "a question gets the answer to another",
        file: "crates/fb/src/engine/cache.rs",
        from: "    for field in fields {\n",
        to: "    for field in fields.into_iter().filter(|field| &*field.name != \"messages\") {\n",
    },
    Mutation {
        breaks: "a tenant gets the answer to another",
        file: "crates/fb/src/engine/cache.rs",
        from: ".part(\"tenant\", tenant)",
        to: ".part(\"tenant\", tenant.get(..0).unwrap_or_default())",
    },
    Mutation {
        breaks: "a race goes on after a failure that is to be surfaced",
        file: "crates/fb/src/engine/race.rs",
        from: "Some(TargetOutcome::MoveOn) if surfaced.is_none() =>",
        to: "Some(TargetOutcome::MoveOn) if begun > 0 =>",
    },
    Mutation {
        breaks: "a call that lost a race, or its caller, costs nothing",
        file: "crates/fb/src/engine/spend.rs",
        from: "        spend.record_output(0);\n",
        to: "",
    },
    Mutation {
        breaks: "a call is paid twice",
        file: "crates/fb-budget/src/account/state.rs",
        from: "balances.calendar.spend(nanos);",
        to: "balances.calendar.spend(2 * nanos);",
    },
    Mutation {
        breaks: "a call is let in that its tenant's limit does not hold",
        file: "crates/fb-budget/src/account/state.rs",
        from: "window.used + u128::from(cost) > u128::from(window.most)",
        to: "window.used > u128::from(window.most)",
    },
];
