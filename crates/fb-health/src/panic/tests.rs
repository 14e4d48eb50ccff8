use super::*;

#[test]
fn panic_begins_below_enter_and_ends_at_leave() {
    let (config, panic) = (PanicConfig::default(), PanicMode::default());
    let seen: Vec<bool> = [10, 5, 4, 5, 6, 5, 0, 6].map(|healthy| panic.update(&config, healthy, 10)).into();
    assert_eq!(seen, [false, false, true, true, false, false, true, false]);
    assert!(!panic.update(&config, 0, 0));
    let never = PanicConfig { enter: 0.0, leave: 0.0 };
    assert!(!panic.update(&never, 0, 10));
    assert!(panic.update(&config, 0, 1) && panic.is_on());
}
