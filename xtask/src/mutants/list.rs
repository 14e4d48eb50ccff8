/// A small change of the sources that breaks one property.
pub(super) struct Mutation {
    pub(super) breaks: &'static str,
    pub(super) file: &'static str,
    /// Must occur in the file exactly once.
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// At least one mutation for each kind of invariant: limits, order, guards, bytes, traces, statistics, cost.
pub(super) const MUTATIONS: [Mutation; 26] = [
    Mutation {
        breaks: "one attempt more than the envelope allows",
        file: "crates/fb/src/engine/admission.rs",
        from: "if record.calls() >= ctx.envelope.attempts {",
        to: "if record.calls() > ctx.envelope.attempts {",
    },
    Mutation {
        breaks: "a resting key is used",
        file: "crates/fb/src/engine/keys.rs",
        from: "let free = || keys.iter().enumerate().filter(|(_, key)| key.rest.is_none());",
        to: "let free = || keys.iter().enumerate().filter(|(_, key)| !key.is_trial);",
    },
    Mutation {
        breaks: "a rejection concerns the first key, whichever was rejected",
        file: "crates/fb/src/engine/key_ring.rs",
        from: "self.account.update(key.index(), |state| state.standing.reject(",
        to: "self.account.update(0, |state| state.standing.reject(",
    },
    Mutation {
        breaks: "a retry waits past the deadline",
        file: "crates/fb/src/engine/decide.rs",
        from: "if envelope.affords_retry(now, wait, used, later) {",
        to: "if envelope.affords_attempts(used, later) {",
    },
    Mutation {
        breaks: "a dropped permit is never returned",
        file: "crates/fb-breaker/src/permit.rs",
        from: "if !self.settled {\n            self.abandon();",
        to: "if !self.settled && thread::panicking() {\n            self.abandon();",
    },
    Mutation {
        breaks: "a slot is never freed",
        file: "crates/fb/src/engine/target_state.rs",
        from: "in_flight.fetch_sub(1, Ordering::Relaxed);",
        to: "in_flight.fetch_sub(0, Ordering::Relaxed);",
    },
    Mutation {
        breaks: "a replaced provider forgets the calls in flight",
        file: "crates/fb/src/engine/target_state.rs",
        from: "(self.health.clone(), Arc::clone(&self.history))",
        to: "(self.health.clone(), Arc::default())",
    },
    Mutation {
        breaks: "a target takes one call more than max_in_flight",
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
        breaks: "only the first target is checked for admissibility",
        file: "crates/fb/src/engine/admission.rs",
        from: "    if number == 1 {\n",
        to: "    if number == 1 && record.calls() == 0 {\n",
    },
    Mutation {
        breaks: "a caller mistake is retried",
        file: "crates/fb/src/engine/decide.rs",
        from: "Retry::Never | Retry::Repair => return Err(None),",
        to: "Retry::Never | Retry::Repair => Pace::Immediate,",
    },
    Mutation {
        breaks: "the frame that commits a stream is lost",
        file: "crates/fb/src/engine/attempt.rs",
        from: "        if commits {\n",
        to: "        if commits {\n            drop(frames.pop_back());\n",
    },
    Mutation {
        breaks: "a cut stream ends like a complete one",
        file: "crates/fb/src/engine/stream.rs",
        from: "Poll::Ready(Some(Err(Failure::new(FailureKind::Interrupted, detail))))",
        to: "Poll::Ready(detail.is_empty().then(|| unreachable!()))",
    },
    Mutation {
        breaks: "retries have no row in the trace",
        file: "crates/fb/src/engine/record.rs",
        from: "            state.rows.push(row);\n            state.rows.len() - 1\n",
        to: "            if number == 1 { state.rows.push(row) }\n            state.rows.len().saturating_sub(1)\n",
    },
    Mutation {
        breaks: "the target tried last is the primary",
        file: "crates/fb/src/engine/record.rs",
        from: "state.primary.get_or_insert_with(|| target.clone());",
        to: "state.primary = Some(target.clone());",
    },
    Mutation {
        breaks: "only the first hop of a request is counted",
        file: "crates/fb/src/engine/record.rs",
        from: "state.hops += u32::from(left.is_some());",
        to: "state.hops = u32::from(state.hops > 0 || left.is_some());",
    },
    Mutation {
        breaks: "a request gets the cached answer of another",
        file: "crates/fb/src/engine/cache.rs",
        from: "    for field in fields {\n",
        to: "    for field in fields.into_iter().filter(|field| &*field.name != \"messages\") {\n",
    },
    Mutation {
        breaks: "a tenant gets the cached answer of another",
        file: "crates/fb/src/engine/cache.rs",
        from: ".part(\"tenant\", tenant)",
        to: ".part(\"tenant\", tenant.get(..0).unwrap_or_default())",
    },
    Mutation {
        breaks: "a race continues after a failure to surface",
        file: "crates/fb/src/engine/race.rs",
        from: "=> surfaced = surfaced.or(Some(failure)),\n",
        to: "=> {\n surfaced = surfaced.or(Some(failure));\n running.extend(begin(&mut left, true));\n }\n",
    },
    Mutation {
        breaks: "a cancelled call costs nothing",
        file: "crates/fb/src/engine/admission.rs",
        from: "    spend.record_output(0);\n",
        to: "",
    },
    Mutation {
        breaks: "a call is charged twice",
        file: "crates/fb-budget/src/account/limited.rs",
        from: "balances.calendar.spend(nanos);",
        to: "balances.calendar.spend(2 * nanos);",
    },
    Mutation {
        breaks: "a call beyond its tenant's limit is admitted",
        file: "crates/fb-budget/src/account/limited.rs",
        from: "window.used + u128::from(cost) > u128::from(window.most)",
        to: "window.used > u128::from(window.most)",
    },
    Mutation {
        breaks: "a request that waits for the probes of a breaker gives up",
        file: "crates/fb/src/engine/last_resort.rs",
        from: "&& !wait.is_zero()\n            {\n                turned_away",
        to: "&& false\n            {\n                turned_away",
    },
    Mutation {
        breaks: "a caller in a hurry opens the breaker of a target that works",
        file: "crates/fb/src/engine/attempts.rs",
        from: "FailureKind::Timeout(_) if is_shortened => Verdict::Neutral,",
        to: "FailureKind::Timeout(_) if is_shortened => Verdict::FULL,",
    },
    Mutation {
        breaks: "an error of one model opens the circuit of its provider",
        file: "crates/fb/src/engine/permits.rs",
        from: "(_, Reach::Answered) => Verdict::Success,",
        to: "(_, Reach::Answered) => verdict,",
    },
    Mutation {
        breaks: "a target pauses after one conversation's unexplained refusals",
        file: "crates/fb/src/engine/suspicion.rs",
        from: "if !self.requests.iter().any(|(known, _)| *known == request) {",
        to: "if self.requests.len() < DISTINCT {",
    },
];
