use super::*;

#[test]
fn message_is_one_bounded_line() {
    let defect = Defect::new(format!("two\nlines {}", "ä".repeat(400)));
    assert_eq!(defect.gate(), GateKind::Custom);
    assert_eq!(defect.message(), format!("two lines {}", "ä".repeat(295)));
    assert_eq!(defect.message().len(), 600);
}

#[test]
fn every_gate_has_a_distinct_name() {
    let names = GateKind::ALL.map(GateKind::name);
    assert_eq!(names, ["empty", "truncated", "repetition", "length", "schema", "tools", "custom"]);
    assert_eq!(Defect::new("no").to_string(), "custom: no");
}
