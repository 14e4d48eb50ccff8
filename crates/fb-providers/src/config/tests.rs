use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(json: &str, expected: &Expect) {
    let built = serde_json::from_str::<ProviderConfig>(json).map(|config| config.build());
    let shown = match built {
        Ok(Ok(_)) => "built".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn errors_name_the_field_and_the_expectation() {
    check(r#"{"kind":"ollama"}"#, &expect!["built"]);
    check(
        r#"{"kind":"vllm","base_url":"http://10.0.0.7:8000/v1","connect_timeout":"2s"}"#,
        &expect!["built"],
    );
    check(
        r#"{"kind":"opnai"}"#,
        &expect![[
            r#"kind = "opnai": unknown; did you mean "openai"? expected one of: openai, anthropic, azure, groq, mistral, together, openrouter, deepseek, xai, gemini, fireworks, perplexity, cerebras, nvidia, moonshot, dashscope, cohere, sambanova, hyperbolic, lambda, featherless, nebius, baseten, novita, ollama, vllm, llamacpp, lmstudio, compatible"#
        ]],
    );
    check(
        r#"{"kind":"bedrock"}"#,
        &expect![[
            r#"kind = "bedrock": unknown; expected one of: openai, anthropic, azure, groq, mistral, together, openrouter, deepseek, xai, gemini, fireworks, perplexity, cerebras, nvidia, moonshot, dashscope, cohere, sambanova, hyperbolic, lambda, featherless, nebius, baseten, novita, ollama, vllm, llamacpp, lmstudio, compatible"#
        ]],
    );
    check(
        r#"{"kind":"openai","api_key":"sk-x"}"#,
        &expect![[
            r#"a string here; expected { env = "NAME" } or { file = "PATH" }; a secret does not belong in a config file at line 1 column 33"#
        ]],
    );
    check(
        r#"{"kind":"openai","apikey":{"env":"X"}}"#,
        &expect![
            "unknown field `apikey`, expected one of `kind`, `base_url`, `api_key`, `api_keys`, `auth`, `api_version`, `organization`, `project`, `num_ctx`, `models`, `connect_timeout`, `proxy`, `ca_file`, `headers`, `breaker`, `retry`, `health` at line 1 column 25"
        ],
    );
    check(
        r#"{"kind":"openai","api_key":{"env":"FB_TEST_NO_SUCH_VARIABLE"}}"#,
        &expect![[
            r#"api_key = { env = "FB_TEST_NO_SUCH_VARIABLE" }: the environment variable FB_TEST_NO_SUCH_VARIABLE is not set"#
        ]],
    );
    check(
        r#"{"kind":"openai","api_key":{"env":"PATH"},"api_keys":[{"env":"HOME"}]}"#,
        &expect!["api_keys = (set): expected either api_key or api_keys"],
    );
    check(
        r#"{"kind":"openai","api_keys":[{"env":"PATH"},{"env":"HOME","weight":-1}]}"#,
        &expect!["api_keys[1].weight = -1: expected a number above 0, such as 2"],
    );
    check(
        r#"{"kind":"openai","api_keys":[{"env":"PATH"},{"env":"PATH","weight":2}]}"#,
        &expect!["api_keys[1] = (hidden): the same key as api_keys[0]; expected each key once"],
    );
    check(r#"{"kind":"groq","api_keys":[{"env":"PATH"},{"env":"HOME","weight":2}]}"#, &expect!["built"]);
    check(
        r#"{"kind":"compatible"}"#,
        &expect!["base_url = (missing): expected the address of the server, up to and with /v1"],
    );
    check(
        r#"{"kind":"groq","api_key":{"env":"PATH"},"num_ctx":5}"#,
        &expect![[r#"num_ctx = (set): a provider of kind "groq" has no such setting; remove it"#]],
    );
    check(
        r#"{"kind":"ollama","num_ctx":0}"#,
        &expect!["num_ctx = 0: expected a number of tokens, such as 8192"],
    );
    check(
        r#"{"kind":"ollama","connect_timeout":"0s"}"#,
        &expect![[r#"connect_timeout = 0ns: expected a time above 0 and up to 5 minutes, such as "5s""#]],
    );
    check(
        r#"{"kind":"ollama","base_url":"127.0.0.1:11434"}"#,
        &expect![[
            r#"base_url = "127.0.0.1:11434": relative URL without a base; expected an address such as "https://api.example.com/v1""#
        ]],
    );
    check(
        r#"{"kind":"azure","api_key":{"env":"PATH"},"base_url":"https://n.openai.azure.com","api_version":"newest"}"#,
        &expect![[
            r#"api_version = "newest": expected a dated version such as "2024-10-21", or none for the v1 API"#
        ]],
    );
    check(
        r#"{"kind":"azure","api_key":{"env":"PATH"},"base_url":"http://n.openai.azure.com","auth":"basic"}"#,
        &expect![
            "unknown variant `basic`, expected one of `bearer`, `api_key`, `x_api_key` at line 1 column 94"
        ],
    );
    check(
        r#"{"kind":"ollama","proxy":"socks"}"#,
        &expect![[
            r#"proxy = "socks": relative URL without a base; expected an address such as "https://api.example.com/v1""#
        ]],
    );
}

#[test]
fn keys_of_the_environment_are_for_the_provider_alone() {
    for (kind, address) in [
        ("openai", "http://127.0.0.1:9/v1"),
        ("openai", "http://api.openai.com/v1"),
        ("openai", "https://api.openai.com.example/v1"),
        ("groq", "https://evilapi.groq.com/openai/v1"),
        ("anthropic", "https://proxy.example"),
        ("azure", "https://proxy.example"),
    ] {
        let foreign = ProviderConfig { base_url: Some(address.to_owned()), ..ProviderConfig::new(kind) };
        let error = foreign.build().err().map(|error| error.to_string()).unwrap_or_default();
        let expected = "api_key = (missing): expected a key for ";
        assert!(error.starts_with(expected) && error.contains("\"none\""), "{kind} {address}: {error}");
        let open = ProviderConfig { api_key: Some(Secret::none()), ..foreign };
        assert_eq!(open.build().err(), None, "{kind} {address}");
    }
    for (kind, address, own) in [
        ("openai", "https://api.openai.com/v1", true),
        ("openai", "https://eu.api.openai.com/v1", true),
        ("openai", "https://openai.com/v1", false),
        ("azure", "https://name.openai.azure.com", true),
        ("azure", "https://name.example", false),
    ] {
        let base = crate::http::Base::parse("base_url", address).unwrap();
        assert_eq!(preset::find(kind).unwrap().is_own_address(&base), own, "{address}");
    }
}

#[test]
fn every_preset_builds() {
    for preset in PRESETS {
        let own =
            matches!(preset.adapter, Adapter::Azure).then(|| "https://name.openai.azure.com".to_owned());
        let config = ProviderConfig { base_url: own, ..ProviderConfig::with_key(preset.name, "k") };
        assert_eq!(config.build().err(), None, "{}", preset.name);
    }
}
