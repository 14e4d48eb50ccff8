use expect_test::{Expect, expect};

use super::*;

const CONFIG: &str = r#"
[providers.a]
kind = "compatible"
base_url = "http://127.0.0.1:9"
[providers.b]
kind = "compatible"
base_url = "http://127.0.0.1:9"

[routes.default]
classes = { simple = "small" }
targets = [
    { provider = "a", model = "large", region = "eu", price = { input = 2.0, output = 10.0 } },
    { provider = "b", model = "large", capabilities = { tools = false } },
]
[routes.small]
strategy = "cheapest"
targets = [
    { provider = "a", model = "small", price = { input = 0.2, output = 1.0 } },
    { provider = "b", model = "small", price = { input = 0.1, output = 0.5 } },
]
"#;

#[track_caller]
fn check(body: &str, options: Options, expected: &Expect) {
    let config = config::parse(CONFIG).unwrap().fb;
    let client = Client::builder().config(&config).unwrap().build().unwrap();
    let request = requests::from_body(body.to_owned()).unwrap().with_options(options);
    let (destination, plan) = (client.destination(&request).unwrap(), client.plan(&request).unwrap());
    expected.assert_eq(&describe(&config, &request, &destination, &plan).unwrap());
}

fn with_rules(rules: Rules) -> Options {
    Options { rules, ..Options::default() }
}

#[test]
fn plan_has_the_class_and_its_evidence() {
    check(
        r#"{"model": "default", "messages": [{"role": "user", "content": "hello there"}], "max_tokens": 100}"#,
        Options::default(),
        &expect![[r#"
            route small (cheapest), for class simple (words: 2) of route default
            about 3 input tokens, at most 100 output tokens
            1  b/small  costs about $0.0001
            2  a/small  costs about $0.0001
            start: one by one
        "#]],
    );
}

#[test]
fn class_without_a_route_keeps_the_route_and_refusals_have_a_rule() {
    check(
        r#"{"model": "default", "messages": [{"role": "user", "content": "Prove that it halts."}],
            "tools": [{"type": "function", "function": {"name": "run"}}]}"#,
        with_rules(Rules { regions: Some(vec!["eu".to_owned()]), ..Rules::default() }),
        &expect![[r#"
            route default (priority), class complex (keyword "prove")
            about 6 input tokens, no output limit (1024 tokens assumed), tools
            1  a/large  priority 0
            -  b/large  refused, region: its region is not known
            start: one by one
        "#]],
    );
}

#[test]
fn target_by_name_has_no_class_and_can_be_refused() {
    check(
        r#"{"model": "a/large", "messages": [{"role": "user", "content": "hi"}]}"#,
        with_rules(Rules { ceiling: parse_dollars("0.001").ok(), ..Rules::default() }),
        &expect![[r#"
            route a/large (priority)
            about 1 input tokens, no output limit (1024 tokens assumed)
            -  a/large  refused, price: $0.0103 expected, at most $0.0010
            start: one by one
        "#]],
    );
}
