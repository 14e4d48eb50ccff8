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
    let request = requests::of_body(body.to_owned()).unwrap().with_options(options);
    let (destination, plan) = (client.destination(&request).unwrap(), client.plan(&request).unwrap());
    expected.assert_eq(&describe(&config, &request, &destination, &plan).unwrap());
}

fn ruled(rules: Rules) -> Options {
    Options { rules, ..Options::default() }
}

#[test]
fn a_plan_names_the_class_and_why() {
    check(
        r#"{"model": "default", "messages": [{"role": "user", "content": "hello there"}], "max_tokens": 100}"#,
        Options::default(),
        &expect![[r#"
            route small (cheapest): asked of default, simple (words: 2), which is sent there
            about 3 tokens in, at most 100 out
            1  b/small  costs about $0.0001
            2  a/small  costs about $0.0001
            start: one by one
        "#]],
    );
}

#[test]
fn a_class_without_a_route_stays_and_rules_refuse_by_name() {
    check(
        r#"{"model": "default", "messages": [{"role": "user", "content": "Prove that it halts."}],
            "tools": [{"type": "function", "function": {"name": "run"}}]}"#,
        ruled(Rules { regions: Some(vec!["eu".to_owned()]), ..Rules::default() }),
        &expect![[r#"
            route default (priority): asked of default, complex (keyword "prove"), which stays there
            about 6 tokens in, no limit out (1024 reckoned with), tools
            1  a/large  priority 0
            -  b/large  refused, region: its region is not known
            start: one by one
        "#]],
    );
}

#[test]
fn a_target_by_name_has_no_class_and_may_be_refused_alone() {
    check(
        r#"{"model": "a/large", "messages": [{"role": "user", "content": "hi"}]}"#,
        ruled(Rules { ceiling: dollars("0.001").ok(), ..Rules::default() }),
        &expect![[r#"
            route a/large (priority)
            about 1 tokens in, no limit out (1024 reckoned with)
            -  a/large  refused, price: $0.0103 expected, at most $0.0010
            start: one by one
        "#]],
    );
}
