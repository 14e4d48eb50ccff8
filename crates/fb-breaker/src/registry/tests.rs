use super::*;
use crate::{
    virtual_time::{at, now},
    weight::Weight,
};

fn registry(config: RegistryConfig) -> Registry {
    Registry::new(config, now).unwrap()
}

fn circuit(registry: &Registry, provider: &str, model: &str) -> Circuit {
    registry.circuit(provider, model, &BreakerConfig::default()).unwrap()
}

fn fail(circuit: &Circuit, times: u32, now: Instant) {
    for _ in 0..times {
        circuit.breaker().try_acquire(now).unwrap().failure(Weight::FULL, now);
    }
}

fn reason(circuit: &Circuit, now: Instant) -> Option<RejectReason> {
    let peeked = circuit.peek(now).err().map(|rejected| rejected.reason);
    let acquired = circuit.try_acquire(now).err().map(|rejected| rejected.reason);
    assert_eq!(peeked, acquired);
    peeked
}

#[test]
fn same_name_returns_the_same_circuit() {
    let registry = registry(RegistryConfig::default());
    let (one, again) = (circuit(&registry, "p", "a"), circuit(&registry, "p", "a"));
    fail(&one, 5, at(0));
    assert_eq!(reason(&again, at(0)), Some(RejectReason::Open));
    assert_eq!(reason(&circuit(&registry, "q", "a"), at(0)), None);
    assert_eq!(registry.len(), 2);
    let names = [("p", "a"), ("q", "a"), ("unknown", "a")];
    assert_eq!(registry.available(names, at(0)), [("q", "a"), ("unknown", "a")]);
    let kept = registry.snapshot(at(0));
    assert_eq!(kept.iter().map(|(p, m, _)| (p.as_str(), m.as_str())).collect::<Vec<_>>(), [("p", "a")]);
}

#[test]
fn open_models_leave_the_others_of_their_provider_alone() {
    let registry = registry(RegistryConfig::default());
    let models = ["a", "b", "c"].map(|model| circuit(&registry, "p", model));
    fail(&models[0], 5, at(0));
    fail(&models[1], 5, at(0));
    assert_eq!(models.map(|model| reason(&model, at(0)).is_some()), [true, true, false]);
}

#[test]
fn suspended_provider_rejects_all_models() {
    let registry = registry(RegistryConfig::default());
    let [a, b] = ["a", "b"].map(|model| circuit(&registry, "p", model));
    let minute = Duration::from_secs(60);
    a.suspend(Some(minute), at(0));
    a.suspend(Some(Duration::from_secs(1)), at(0));
    let rejected = b.try_acquire(at(1_000)).unwrap_err();
    assert_eq!(
        rejected,
        Rejected { retry_after: Duration::from_secs(59), reason: RejectReason::ProviderSuspended }
    );
    assert_eq!(reason(&b, at(60_000)), None);
    b.suspend(None, at(60_000));
    a.suspend(Some(minute), at(60_000));
    assert_eq!(reason(&a, at(1_000_000_000)), Some(RejectReason::ProviderSuspended));
    a.resume();
    assert_eq!(reason(&b, at(60_000)), None);
}

/// Many tenants cannot grow the registry without bound, and open circuits are not evicted.
#[test]
fn full_registry_evicts_the_least_recently_used_idle_circuit() {
    let registry = registry(RegistryConfig { capacity: 3 });
    let open = circuit(&registry, "open", "m");
    fail(&open, 5, at(0));
    let held = circuit(&registry, "held", "m").try_acquire(at(0)).unwrap();
    circuit(&registry, "idle", "m");
    for n in 0..100 {
        circuit(&registry, &format!("tenant {n}"), "m");
    }
    assert_eq!(registry.len(), 3);
    assert_eq!(registry.shared.table.lock().providers.len(), 3);
    assert_eq!(reason(&circuit(&registry, "open", "m"), at(0)), Some(RejectReason::Open));
    held.failure(Weight::FULL, at(0));

    let open: Vec<Circuit> = ["open", "held", "tenant 99"].map(|name| circuit(&registry, name, "m")).into();
    for one in &open[1..] {
        fail(one, 5 - one.breaker().consecutive_failures(), at(0));
    }
    let detached = circuit(&registry, "one too many", "m");
    fail(&detached, 5, at(0));
    assert_eq!((reason(&detached, at(0)), registry.len()), (Some(RejectReason::Open), 3));
}

#[test]
fn listener_receives_names_and_no_cycle_leaks() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let registry =
        registry(RegistryConfig::default()).with_listener(Arc::new(move |provider, model, transition| {
            sink.lock().push(format!("{provider}/{model}: {}", transition.reason));
        }));
    let one = circuit(&registry, "p", "a");
    fail(&one, 5, at(0));
    assert_eq!(*log.lock(), ["p/a: consecutive failures"]);
    let provider = Arc::downgrade(&one.provider);
    drop((registry, one));
    assert_eq!(provider.strong_count(), 0);
}

#[test]
fn reconfigured_circuit_keeps_its_state_and_removed_one_does_not() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let listener: CircuitListener = Arc::new(move |_, model, transition| {
        sink.lock().push(format!("{model}: {}", transition.reason));
    });
    let registry = registry(RegistryConfig::default()).with_listener(listener);
    let old = circuit(&registry, "p", "a");
    let late = old.try_acquire(at(0)).unwrap();
    fail(&old, 5, at(0));
    let strict = BreakerConfig { consecutive: Some(1), ..BreakerConfig::default() };
    let new = registry.reconfigure("p", "a", &strict, at(1_000)).unwrap();
    assert_eq!(new.breaker().state(at(1_000)), old.breaker().state(at(1_000)));
    assert_eq!(reason(&new, at(1_000)), Some(RejectReason::Open));
    new.breaker().reset(at(2_000));
    fail(&new, 1, at(2_000));
    assert_eq!(reason(&new, at(2_000)), Some(RejectReason::Open), "one failure is enough now");
    old.breaker().reset(at(3_000));
    late.failure(Weight::FULL, at(3_000));
    assert_eq!(*log.lock(), ["a: consecutive failures", "a: reset", "a: consecutive failures"]);

    let wrong = BreakerConfig { consecutive: Some(0), ..BreakerConfig::default() };
    assert!(registry.reconfigure("p", "a", &wrong, at(3_000)).is_err());
    assert_eq!(reason(&circuit(&registry, "p", "a"), at(3_000)), Some(RejectReason::Open));
    assert!(registry.remove("p", "a").is_some());
    assert!(registry.remove("p", "a").is_none());
    assert_eq!(reason(&circuit(&registry, "p", "a"), at(3_000)), None, "a new circuit is closed");
}

#[test]
fn invalid_settings_are_rejected_by_name() {
    let named = |config| Registry::new(config, now).unwrap_err().to_string();
    assert_eq!(
        named(RegistryConfig { capacity: 0 }),
        "invalid breaker config: `capacity` is 0, expected 1 to 1000000"
    );
}
