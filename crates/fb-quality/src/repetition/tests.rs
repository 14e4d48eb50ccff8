use proptest::prelude::*;

use super::*;

fn verdict(text: impl Into<String>) -> String {
    let reply = Reply { text: text.into(), ..Reply::default() };
    no_loop(&reply).map_or_else(|defect| defect.to_string(), |()| "passes".to_owned())
}

#[test]
fn loop_at_the_end_is_found() {
    let sorry = "I am sorry, I cannot find it. ";
    assert_eq!(
        verdict(format!("Well. {}", sorry.repeat(40))),
        "repetition: ends with the same 30 bytes 40 times or more"
    );
    // Cut in the middle of a unit.
    assert_eq!(
        verdict(format!("Well. {}I am s", sorry.repeat(40))),
        "repetition: ends with the same 30 bytes 40 times or more"
    );
    assert_eq!(verdict("很".repeat(1_000)), "repetition: ends with the same 3 bytes 1000 times or more");
    assert_eq!(verdict("!".repeat(4_000)), "repetition: ends with the same 1 bytes 4000 times or more");
    assert_eq!(verdict("\n \t".repeat(2_000)), "repetition: ends with the same 3 bytes 2000 times or more");
}

#[test]
fn loops_below_the_bounds_pass() {
    assert_eq!(verdict("ab".repeat(499)), "passes");
    assert!(verdict("ab".repeat(500)) != "passes");
    assert_eq!(verdict("-".repeat(3_999)), "passes");
    let unit: String = (0..512).map(|n| char::from(b'!' + u8::try_from(n * n % 89).unwrap())).collect();
    assert_eq!(verdict(unit.repeat(9)), "passes");
    assert!(verdict(unit.repeat(10)) != "passes");
}

#[test]
fn tables_rules_and_refrains_pass() {
    let table = format!(
        "| name | value |\n|{}|{}|\n{}",
        "-".repeat(200),
        "-".repeat(200),
        (0..100).map(|n| format!("| row {n} | 0 |")).collect::<Vec<_>>().join("\n")
    );
    let rule = format!("text\n{}\n", "=".repeat(500));
    let zeros = format!("let zeros = [{}];", "0, ".repeat(256));
    let refrain = "Row, row, row your boat,\nGently down the stream.\n\n".repeat(6);
    let indented = (0..60).map(|depth| " ".repeat(60 - depth)).collect::<Vec<_>>().join("}\n");
    let spaces = format!("code{}", " ".repeat(2_000));
    for text in [table, rule, zeros, refrain, indented, spaces] {
        assert_eq!(verdict(&*text), "passes", "{text}");
    }
}

proptest! {
    #[test]
    fn prefix_lengths_match_their_definition(bytes in prop::collection::vec(0_u8..3, 0..60)) {
        let found = z_function(&bytes);
        for (at, length) in found.iter().enumerate().skip(1) {
            let shared = bytes.iter().zip(&bytes[at..]).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(*length, shared);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,3000}") {
        let _verdict = verdict(text);
    }
}
