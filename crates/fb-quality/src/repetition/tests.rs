use proptest::prelude::*;

use super::*;

fn said(text: impl Into<String>) -> String {
    let reply = Reply { text: text.into(), ..Reply::default() };
    no_loop(&reply).map_or_else(|defect| defect.to_string(), |()| "passes".to_owned())
}

#[test]
fn a_loop_at_the_end_is_found() {
    let sorry = "I am sorry, I cannot find it. ";
    assert_eq!(
        said(format!("Well. {}", sorry.repeat(40))),
        "repetition: ends with the same 30 bytes 40 times or more"
    );
    // Cut in the middle of a unit.
    assert_eq!(
        said(format!("Well. {}I am s", sorry.repeat(40))),
        "repetition: ends with the same 30 bytes 40 times or more"
    );
    assert_eq!(said("很".repeat(1_000)), "repetition: ends with the same 3 bytes 1000 times or more");
    assert_eq!(said("!".repeat(4_000)), "repetition: ends with the same 1 bytes 4000 times or more");
    assert_eq!(said("\n \t".repeat(2_000)), "repetition: ends with the same 3 bytes 2000 times or more");
}

#[test]
fn the_bounds_are_where_they_are_said_to_be() {
    assert_eq!(said("ab".repeat(499)), "passes");
    assert!(said("ab".repeat(500)) != "passes");
    assert_eq!(said("-".repeat(3_999)), "passes");
    let unit: String = (0..512).map(|n| char::from(b'!' + u8::try_from(n * n % 89).unwrap())).collect();
    assert_eq!(said(unit.repeat(9)), "passes");
    assert!(said(unit.repeat(10)) != "passes");
}

#[test]
fn what_people_write_is_no_loop() {
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
        assert_eq!(said(&*text), "passes", "{text}");
    }
}

proptest! {
    #[test]
    fn the_shared_lengths_are_those_of_the_definition(bytes in prop::collection::vec(0_u8..3, 0..60)) {
        let found = z_function(&bytes);
        for (at, length) in found.iter().enumerate().skip(1) {
            let shared = bytes.iter().zip(&bytes[at..]).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(*length, shared);
        }
    }

    #[test]
    fn any_text_is_taken(text in "\\PC{0,3000}") {
        let _said = said(text);
    }
}
