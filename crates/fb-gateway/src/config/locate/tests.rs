use expect_test::{Expect, expect};

use crate::config::parse;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "each expectation belongs to one check")]
fn check(text: &str, expected: Expect) {
    let lines: Vec<String> = match parse(text) {
        Ok(_) => vec!["ok".to_owned()],
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    expected.assert_eq(&lines.join("\n"));
}

const GOOD: &str = r#"
[server]
listen = "127.0.0.1:8080"

[providers.local]
kind = "ollama"
base_url = "http://127.0.0.1:11434"

[routes.default]
strategy = "priority"
deadline = "60s"

[[routes.default.targets]]
provider = "local"
model = "llama3.2"
max_retries = 1
timeout = "30s"
"#;

#[test]
fn valid_config_has_no_errors() {
    check(GOOD, expect!["ok"]);
}

#[test]
fn type_error_has_position_field_and_expected_type() {
    check(
        &GOOD.replace("\"30s\"", "\"30\""),
        expect![[
            r#"17:11  routes.default.targets[0].timeout: invalid value: string "30", expected a duration"#
        ]],
    );
    check(
        &GOOD.replace("\"30s\"", "30"),
        expect!["17:11  routes.default.targets[0].timeout: invalid type: integer `30`, expected a duration"],
    );
    check(
        &GOOD.replace("max_retries", "max_retry"),
        expect![
            "16:1  routes.default.targets[0].max_retry: unknown field `max_retry`, expected one of `provider`, `model`, `weight`, `priority`, `max_retries`, `timeout`, `first_output`, `idle`, `total`, `max_in_flight`, `trigger_on`, `enabled`, `price`, `region`, `data_classes`, `max_output`, `capabilities`, `set`, `breaker`, `retry`, `health`"
        ],
    );
    check(
        &GOOD.replace("127.0.0.1:8080", "localhost"),
        expect!["3:10  server.listen: invalid socket address syntax"],
    );
    check(
        &GOOD.replace("\"priority\"", "\"quickest\""),
        expect![
            "10:12  routes.default.strategy: unknown variant `quickest`, expected one of `priority`, `weighted`, `fastest`, `cheapest`, `least_busy`, `sticky`, `race`, `hedged`"
        ],
    );
    check("[server", expect!["1:8  unclosed table, expected `]`"]);
}

#[test]
fn every_invalid_value_is_reported_with_its_position() {
    let bad = GOOD
        .replace(
            "provider = \"local\"",
            "provider = \"locl\"\ntrigger_on = [\"timeout\", \"content_filter\", \"slow\"]",
        )
        .replace("max_retries = 1", "max_retries = 99")
        .replace("\"30s\"", "\"0s\"")
        .replace("deadline = \"60s\"", "max_attempts = 0");
    check(
        &bad,
        expect![[r#"
        11:16  routes.default.max_attempts = 0   expected 1 to 100
        14:12  routes.default.targets[0].provider = "locl"   no such provider; did you mean "local"?
        17:15  routes.default.targets[0].max_retries = 99   expected 0 to 20
        18:11  routes.default.targets[0].timeout = 0ns   expected a time above 0 and up to a day, such as "30s"
        15:26  routes.default.targets[0].trigger_on[1] = "content_filter"   a content-policy block is surfaced and never sent to another target; remove it
        15:44  routes.default.targets[0].trigger_on[2] = "slow"   "slow" is not a failure kind; expected one of connect, timeout, network, stale_connection, interrupted, overloaded, server_error, rate_limited, quota_exhausted, auth, permission, region, model_not_found, context_length, invalid_request, too_large, malformed, quality, unknown; or a group: rate_limit, auth_error, network_error"#]],
    );
}

#[test]
fn operator_routes_need_an_admin_token() {
    let bad = GOOD.replace("\n[providers.local]", "operator_routes = true\n\n[providers.local]");
    let expected = || {
        expect![
            "4:19  server.operator_routes = true   expected a token in [admin], which these requests must carry"
        ]
    };
    check(&bad, expected());
    check(&format!("{bad}\n[admin]\nlisten = \"127.0.0.1:0\"\n"), expected());
}

#[test]
fn misplaced_secret_is_not_printed() {
    let bad = GOOD.replace("kind = \"ollama\"", "kind = \"openai\"\napi_key = \"sk-canary-1234567890\"");
    let errors = parse(&bad).unwrap_err();
    let printed = format!("{errors:?}");
    assert!(!printed.contains("canary"), "{printed}");
    check(
        &bad,
        expect![[
            r#"7:11  providers.local.api_key: a string here; expected { env = "NAME" } or { file = "PATH" }; a secret does not belong in a config file"#
        ]],
    );
}
