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
fn a_name_has_one_circuit() {
    let registry = registry(RegistryConfig::default());
    let (one, again) = (circuit(&registry, "p", "a"), circuit(&registry, "p", "a"));
    fail(&one, 5, at(0));
    assert_eq!(reason(&again, at(0)), Some(RejectReason::Open));
    assert_eq!(reason(&circuit(&registry, "q", "a"), at(0)), None);
    assert_eq!(registry.len(), 2);
    let names = [("p", "a"), ("q", "a"), ("nobody", "a")];
    assert_eq!(registry.available(names, at(0)), [("q", "a"), ("nobody", "a")]);
    let kept = registry.snapshot(at(0));
    assert_eq!(kept.iter().map(|(p, m, _)| (p.as_str(), m.as_str())).collect::<Vec<_>>(), [("p", "a")]);
}

/// Most models of a provider open: the rest are not called, until the first of the open ones may be probed.
#[test]
fn three_of_five_open_models_open_their_provider() {
    let registry = registry(RegistryConfig::default());
    let models = ["a", "b", "c", "d", "e"].map(|model| circuit(&registry, "p", model));
    let other = circuit(&registry, "q", "a");
    fail(&models[0], 5, at(0));
    fail(&models[1], 5, at(0));
    assert_eq!(reason(&models[4], at(1)), None, "two of five are not most");
    fail(&models[2], 5, at(1));
    let rejected = models[4].try_acquire(at(1)).unwrap_err();
    assert_eq!(rejected.reason, RejectReason::ProviderOpen);
    let soonest = models[..3].iter().filter_map(|model| match model.breaker().state(at(1)) {
        State::Open { reopens_in } => Some(reopens_in),
        _ => None,
    });
    assert_eq!(Some(rejected.retry_after), soonest.min());
    assert_eq!(reason(&models[0], at(1)), Some(RejectReason::Open));
    assert_eq!(reason(&other, at(1)), None);

    // Its time has come: it is probed although its provider was open, and then two of five are left.
    let later = at(1) + rejected.retry_after;
    let first = models[..3].iter().find(|model| model.breaker().peek(later).is_ok()).unwrap();
    let probes = [first.try_acquire(later).unwrap(), first.try_acquire(later).unwrap()];
    for probe in probes {
        probe.success(later);
    }
    assert_eq!((reason(first, later), reason(&models[4], later)), (None, None));
}

#[test]
fn two_models_do_not_speak_for_a_provider_and_open_ones_without_traffic_do_not_for_ever() {
    let registry = registry(RegistryConfig::default());
    let [a, b] = ["a", "b"].map(|model| circuit(&registry, "p", model));
    fail(&a, 5, at(0));
    assert_eq!(reason(&b, at(0)), None);
    let [c, d] = ["c", "d"].map(|model| circuit(&registry, "p", model));
    fail(&b, 5, at(0));
    fail(&c, 5, at(0));
    assert_eq!(reason(&d, at(0)), Some(RejectReason::ProviderOpen));
    assert_eq!(reason(&d, at(5_001)), None, "nobody called them, but they could be");
}

#[test]
fn a_shut_provider_calls_nobody() {
    let registry = registry(RegistryConfig::default());
    let [a, b] = ["a", "b"].map(|model| circuit(&registry, "p", model));
    let minute = Duration::from_secs(60);
    a.shut(Some(minute), at(0));
    a.shut(Some(Duration::from_secs(1)), at(0));
    let rejected = b.try_acquire(at(1_000)).unwrap_err();
    assert_eq!(
        rejected,
        Rejected { retry_after: Duration::from_secs(59), reason: RejectReason::ProviderShut }
    );
    assert_eq!(reason(&b, at(60_000)), None);
    b.shut(None, at(60_000));
    a.shut(Some(minute), at(60_000));
    assert_eq!(reason(&a, at(1_000_000_000)), Some(RejectReason::ProviderShut));
    a.unshut();
    assert_eq!(reason(&b, at(60_000)), None);
}

/// Many tenants cannot grow it without bound, and what is open is not forgotten.
#[test]
fn a_full_registry_forgets_whom_it_was_asked_for_longest_ago_but_nobody_in_trouble() {
    let registry = registry(RegistryConfig { capacity: 3, ..RegistryConfig::default() });
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
fn listeners_hear_which_circuit_it_was_and_nothing_keeps_itself_alive() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let registry =
        registry(RegistryConfig::default()).with_listener(Arc::new(move |provider, model, transition| {
            heard.lock().push(format!("{provider}/{model}: {}", transition.reason));
        }));
    let one = circuit(&registry, "p", "a");
    fail(&one, 5, at(0));
    assert_eq!(*told.lock(), ["p/a: consecutive failures"]);
    let provider = Arc::downgrade(&one.provider);
    drop((registry, one));
    assert_eq!(provider.strong_count(), 0);
}

#[test]
fn bad_settings_are_named() {
    let named = |config| Registry::new(config, now).unwrap_err().to_string();
    assert_eq!(
        named(RegistryConfig { open_share: 1.5, ..RegistryConfig::default() }),
        "invalid breaker config: `open_share` is 1.5, expected above 0 and at most 1"
    );
    assert_eq!(
        named(RegistryConfig { capacity: 0, ..RegistryConfig::default() }),
        "invalid breaker config: `capacity` is 0, expected 1 to 1000000"
    );
}
