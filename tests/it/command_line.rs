//! The commands `check`, `serve` without a config, and `demo`, as a person at a terminal sees them.

use std::process::Stdio;

use expect_test::expect;
use fb_sim::{Dialect, Sim};
use tokio::process::Command;

use crate::harness::{Folder, Gateway, Sims, client, needs};

const BAD: &str = r#"
[server]
listen = "127.0.0.1:0"

[providers.openai]
kind = "openai"
api_key = { env = "FB_TEST_NO_SUCH_KEY" }

[providers.anthropic]
kind = "anthropc"

[routes.default]
[[routes.default.targets]]
provider = "antropic"
model = "claude-sonnet-4-6"
"#;

#[tokio::test]
async fn check_names_every_error_with_its_place_and_exits_with_1() {
    let Some(fb) = needs("FB_BIN") else { return };
    let folder = Folder::new();
    let file = folder.write("bad.toml", BAD);
    let output = Command::new(&fb).arg("check").arg(&file).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap().replace(&file.display().to_string(), "bad.toml");
    expect![[r#"
        bad.toml:10:8  providers.anthropic.kind = "anthropc"   unknown; did you mean "anthropic"? expected one of: openai, anthropic, azure, groq, mistral, together, openrouter, deepseek, xai, gemini, fireworks, perplexity, cerebras, nvidia, moonshot, dashscope, cohere, sambanova, hyperbolic, lambda, featherless, nebius, baseten, novita, ollama, vllm, llamacpp, lmstudio, compatible
        bad.toml:7:1  providers.openai.api_key = { env = "FB_TEST_NO_SUCH_KEY" }   the environment variable FB_TEST_NO_SUCH_KEY is not set
        bad.toml:14:12  routes.default.targets[0].provider = "antropic"   no such provider; did you mean "anthropic"?
        3 errors
    "#]].assert_eq(&said);
    assert_eq!(output.status.code(), Some(1));

    let output = Command::new(&fb).arg("chek").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "called wrong");
    let output = Command::new(&fb).args(["check", "/no/such/file"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_config_providers_come_from_the_environment() {
    let Some(fb) = needs("FB_BIN") else { return };
    let openai = Sim::start(Dialect::OpenAi).await.unwrap();
    let ollama = Sim::start(Dialect::Ollama).await.unwrap();
    let mut command = Command::new(&fb);
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("OPENAI_API_KEY", "sk-canary")
        .env("OPENAI_BASE_URL", openai.base_url())
        .env("OLLAMA_HOST", ollama.base_url());
    let gateway = Gateway::spawn(command, Folder::new()).await;
    let said = gateway.said.join("\n");
    assert!(said.contains("openai") && said.contains("ollama") && !said.contains("canary"), "{said}");
    let heard = gateway.post(r#"{"model":"default","messages":[{"role":"user","content":"hi"}]}"#).await;
    assert_eq!((heard.status, openai.calls(), ollama.calls()), (200, 1, 0), "{heard:?}");
    openai.fault(fb_sim::Fault::Refuse);
    let heard = gateway.post(r#"{"model":"default","messages":[{"role":"user","content":"hi"}]}"#).await;
    assert_eq!((heard.status, openai.calls(), ollama.calls()), (200, 1, 1), "{heard:?}");

    let nothing = Command::new(&fb)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("OLLAMA_HOST", "http://127.0.0.1:9")
        .stdout(Stdio::null())
        .output()
        .await
        .unwrap();
    let error = String::from_utf8(nothing.stderr).unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    assert!(error.contains("OPENAI_API_KEY") && error.contains("--config"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_live_and_ready() {
    let Some(fb) = needs("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    let base = gateway.url.trim_end_matches("/v1").to_owned();
    let http = client();
    for path in ["livez", "readyz"] {
        let answer = http.get(format!("{base}/{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
    }
    let answer = http.get(format!("{base}/nowhere")).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().contains("no such path"));
}
