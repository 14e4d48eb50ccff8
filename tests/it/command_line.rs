//! The commands, as used at a terminal.

use std::{path::Path, process::Stdio};

use expect_test::expect;
use fb_sim::{Dialect, Sim};
use tokio::process::Command;

use crate::harness::{CHAT, Gateway, Sims, TempDir, client, prepared};

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
async fn check_prints_every_error_with_its_position_and_exits_with_1() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let dir = TempDir::new();
    let file = dir.write("bad.toml", BAD);
    let output = Command::new(&fb).arg("check").arg(&file).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap().replace(&file.display().to_string(), "bad.toml");
    expect![[r#"
        bad.toml:10:8  providers.anthropic.kind = "anthropc"   unknown; did you mean "anthropic"? expected one of: openai, anthropic, azure, groq, mistral, together, openrouter, deepseek, xai, gemini, fireworks, perplexity, cerebras, nvidia, moonshot, dashscope, cohere, sambanova, hyperbolic, lambda, featherless, nebius, baseten, novita, ollama, vllm, llamacpp, lmstudio, compatible
        bad.toml:7:1  providers.openai.api_key = { env = "FB_TEST_NO_SUCH_KEY" }   the environment variable FB_TEST_NO_SUCH_KEY is not set
        bad.toml:14:12  routes.default.targets[0].provider = "antropic"   no such provider; did you mean "anthropic"?
        3 errors
    "#]].assert_eq(&printed);
    assert_eq!(output.status.code(), Some(1));

    let output = Command::new(&fb).arg("chek").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "a usage error");
    let output = Command::new(&fb).args(["check", "/no/such/file"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// What is printed works in a shell, and names the gateway's address and a route of the config.
#[tokio::test]
async fn env_prints_the_variables_of_clients() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let dir = TempDir::new();
    let text = "[server]\nlisten = \"0.0.0.0:4000\"\n[providers.local]\nkind = \"ollama\"\n\
                [routes.claude]\ntargets = [{ provider = \"local\", model = \"m\" }]\n\
                [tenants.acme]\nkey = { env = \"FB_TEST_NO_SUCH_KEY\" }\n";
    let file = dir.write("fb.toml", text);
    let script = r#"eval "$($0 env --config $1)" && echo "$OPENAI_BASE_URL $OPENAI_API_KEY
$ANTHROPIC_BASE_URL $ANTHROPIC_API_KEY $ANTHROPIC_MODEL $ANTHROPIC_SMALL_FAST_MODEL""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(&fb).arg(&file).env("FB_API_KEY", "sk-acme");
    let output = shell.output().await.unwrap();
    expect![[r#"
        http://127.0.0.1:4000/v1 sk-acme
        http://127.0.0.1:4000 sk-acme claude claude
    "#]]
    .assert_eq(str::from_utf8(&output.stdout).unwrap());

    let mut unknown = Command::new(&fb);
    let output = unknown.args(["env", "--route", "nothing", "--config"]).arg(&file).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "fb: --route nothing: no such route; expected one of: claude\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_config_providers_come_from_the_environment() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let openai = Sim::start(Dialect::OpenAi).await.unwrap();
    let ollama = Sim::start(Dialect::Ollama).await.unwrap();
    let mut command = Command::new(&fb);
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("OPENAI_API_KEY", "sk-canary")
        .env("OPENAI_BASE_URL", openai.base_url())
        .env("OLLAMA_HOST", ollama.base_url());
    let gateway = Gateway::spawn(command, TempDir::new()).await;
    let output = gateway.output.join("\n");
    assert!(output.contains("openai") && output.contains("ollama") && !output.contains("canary"), "{output}");
    let response = gateway.post(CHAT).await;
    assert_eq!((response.status, openai.calls(), ollama.calls()), (200, 1, 0), "{response:?}");
    openai.fault(fb_sim::Fault::Refuse);
    let response = gateway.post(CHAT).await;
    assert_eq!((response.status, openai.calls(), ollama.calls()), (200, 1, 1), "{response:?}");

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
async fn health_endpoints_report_live_and_ready() {
    let Some(fb) = prepared("FB_BIN") else { return };
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

/// The page `docs/guide/plan-and-drill.md`: its files in a directory, and its commands with their documented output.
struct Page {
    dir: TempDir,
    shown: Vec<(String, String)>,
}

impl Page {
    fn open() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/plan-and-drill.md");
        let text = std::fs::read_to_string(file).unwrap();
        let (dir, mut shown) = (TempDir::new(), Vec::new());
        for block in text.split("\n```").skip(1).step_by(2) {
            let (kind, body) = block.split_once('\n').unwrap();
            match kind {
                "toml" => drop(dir.write("fb.toml", body)),
                "json" => drop(dir.write("request.json", body)),
                "jsonl" => drop(dir.write("queries.txt", body)),
                "console" => {
                    let (command, printed) = body.split_once('\n').unwrap();
                    shown.push((command.to_owned(), printed.to_owned()));
                }
                other => panic!("a block of {other}"),
            }
        }
        Self { dir, shown }
    }

    /// Runs a command without API keys and returns its exit code, stdout and stderr.
    async fn run(&self, fb: &Path, args: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new(fb);
        command.args(args.split(' ')).current_dir(&self.dir.0).env_clear().stdin(Stdio::null());
        let output = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Checks that every command of this name prints the documented output, and returns the exit codes.
    async fn check(&self, fb: &Path, name: &str) -> Vec<i32> {
        let mut codes = Vec::new();
        for (command, printed) in &self.shown {
            let args = command.strip_prefix("$ fb ").unwrap();
            if args.starts_with(name) {
                let (code, stdout, stderr) = self.run(fb, args).await;
                assert_eq!((stdout.as_str(), stderr.as_str()), (printed.as_str(), ""), "{command}");
                codes.extend(code);
            }
        }
        codes
    }
}

#[tokio::test]
async fn plan_prints_the_documented_output_and_fails_without_an_admissible_target() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let page = Page::open();
    assert_eq!(page.check(&fb, "plan").await, [0, 0]);
    let (code, stdout, _) = page.run(&fb, "plan --config fb.toml --data-class secret request.json").await;
    assert!(stdout.contains("refused, data_class: not approved for secret"), "{stdout}");
    assert_eq!(code, Some(1));
    let (code, _, stderr) = page.run(&fb, "plan --config fb.toml queries.txt").await;
    assert_eq!((code, stderr.starts_with("fb: queries.txt: ")), (Some(1), true), "{stderr}");
    let (code, ..) = page.run(&fb, "plan --config fb.toml --max-cost cheap request.json").await;
    assert_eq!(code, Some(2), "a usage error");
}

#[tokio::test]
async fn savings_prints_the_documented_output_and_rejects_an_invalid_line() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let page = Page::open();
    assert_eq!(page.check(&fb, "savings").await, [0]);
    page.dir.write("bad.txt", "hello\n{\"text\": 7}\n");
    let (code, stdout, stderr) = page.run(&fb, "savings --config fb.toml bad.txt").await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert_eq!(stderr, "fb: bad.txt:2  invalid type: integer `7`, expected a string");
}

#[tokio::test]
async fn drill_prints_the_documented_output_and_fails_for_a_single_point_of_failure() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let page = Page::open();
    assert_eq!(page.check(&fb, "drill").await, [1]);
    for (args, expected) in [("--route default", 0), ("--route small", 1), ("--allow-errors 5", 0)] {
        let (code, ..) = page.run(&fb, &format!("drill --config fb.toml {args}")).await;
        assert_eq!(code, Some(expected), "{args}");
    }
}
