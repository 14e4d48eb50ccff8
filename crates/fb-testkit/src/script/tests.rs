use expect_test::expect;

use super::*;

fn steps(text: &str) -> Vec<Step> {
    parse_steps("p", text).unwrap()
}

#[test]
fn step_repeats_as_often_as_scripted() {
    assert_eq!(steps("503x3, 200"), steps("503, 503 x2, 200"));
    assert_eq!(steps("429(retry-after 2s)x2"), steps("429(retry-after 2s), 429(retry-after 2s)"));
    assert_eq!(steps("200(\"a\")x2 in 1s"), steps("200(\"a\") in 1s x2"));
    assert_eq!(steps("context x2"), steps("contextx2"));
}

#[test]
fn modifiers_are_accepted_in_any_order() {
    assert_eq!(steps("200 in 1.5s gap 20ms nodone"), steps("nodone gap 0.02s in 1500ms"));
    let step = &steps("200 in 1min gap 20ms")[0];
    assert_eq!((step.delay, step.gap, step.done), (Duration::from_mins(1), Duration::from_millis(20), true));
}

#[test]
fn quoted_text_may_contain_every_separator() {
    let script = r#"p: 200("a, b / c) in \"d\" \\ x2\ne"), 503"#;
    let text = r#" 200("a, b / c) in \"d\" \\ x2\ne"), 503"#;
    assert_eq!(Script::parse(script).unwrap().providers().len(), 1);
    assert_eq!(steps(text)[0].outcome, Outcome::Text("a, b / c) in \"d\" \\ x2\ne".to_owned()));
    assert_eq!(steps(r#"200("")"#)[0].outcome, Outcome::Text(String::new()));
}

#[test]
fn providers_are_returned_in_order_and_shared() {
    let script = script("openai: 200 / anthropic: 503, 200");
    let names: Vec<String> = script.providers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["openai", "anthropic"]);
    assert!(Arc::ptr_eq(&script.providers()[1].1, &script.provider("anthropic")));
}

#[test]
fn invalid_scripts_are_rejected_with_position_and_reason() {
    let bad = [
        "",
        "200",
        "a b: 200",
        "a: 200 / a: 200",
        "a: 200 /",
        "a: 200, , 200",
        "a: 999",
        "a: cut",
        "a: hang(2)",
        "a: 503 on 5s",
        "a: 503 in",
        "a: 503 in 5",
        "a: 503x0",
        "a: 429(later)",
        "a: 429(retry-after -2s)",
        "a: error(overloaded)",
        "a: error(2 block)",
        "a: block(200)",
        "a: 200(\"x",
        "a: 200(\"x\" y)",
        "a: 200)",
    ];
    let why = bad.map(|text| format!("{text:<24} {}\n", Script::parse(text).unwrap_err()));
    expect![[r#"
                                 nothing before or after a '/'
        200                      no `NAME:` in "200"
        a b: 200                 "a b" is not a name: expected 1 to 128 characters without slash, space or control character
        a: 200 / a: 200          two providers "a"
        a: 200 /                 nothing before or after a '/'
        a: 200, , 200            nothing before or after a ','
        a: 999                   in "999": "999" is neither an outcome nor a failure; the README of fb-testkit lists them
        a: cut                   in "cut": "cut" is neither an outcome nor a failure; the README of fb-testkit lists them
        a: hang(2)               in "hang(2)": "hang(2)" is neither an outcome nor a failure; the README of fb-testkit lists them
        a: 503 on 5s             in "503 on 5s": "on" is none of `in TIME`, `gap TIME`, `nodone`, `xN`
        a: 503 in                in "503 in": "in" is none of `in TIME`, `gap TIME`, `nodone`, `xN`
        a: 503 in 5              in "503 in 5": "5" is not a time; expected such as 300ms, 2s, 3min
        a: 503x0                 in "503x0": never (`x0`)
        a: 429(later)            in "429(later)": "later" is none of `retry-after TIME`, `should-retry`, `request`, `unclear`
        a: 429(retry-after -2s)  in "429(retry-after -2s)": "-2s" is not a time; expected such as 300ms, 2s, 3min
        a: error(overloaded)     in "error(overloaded)": no `error(N FAILURE)`
        a: error(2 block)        in "error(2 block)": "block" is neither an outcome nor a failure; the README of fb-testkit lists them
        a: block(200)            in "block(200)": a prompt is never filtered with 200
        a: 200("x                no end of `"`
        a: 200("x" y)            in "200(\"x\" y)": "\"x\" y" is neither `tool` nor a text in quotes
        a: 200)                  `)` without `(`
    "#]].assert_eq(&why.concat());
}
