//! A key from the environment is for its provider alone.

use fb_sim::{Dialect, Sim};
use tokio::process::Command;

use crate::harness::{CHAT, Gateway, TempDir, prepared};

fn config(sim: &Sim, more: &str) -> String {
    format!(
        r#"[server]
listen = "127.0.0.1:0"
[providers.local]
kind = "openai"
base_url = "{}"
{more}
[[routes.default.targets]]
provider = "local"
model = "m"
"#,
        sim.base_url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_environment_is_not_sent_to_another_host() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sim = Sim::start(Dialect::OpenAi).await.unwrap();
    let dir = TempDir::new();
    let file = dir.write("fb.toml", &config(&sim, ""));
    let output =
        Command::new(&fb).arg("check").arg(&file).env("OPENAI_API_KEY", "sk-canary").output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains(
            r#"providers.local.api_key = (missing)   expected a key for 127.0.0.1, or "none" if it needs no key; OPENAI_API_KEY is sent to the hosts of openai only"#
        ),
        "{printed}"
    );

    let dir = TempDir::new();
    let file = dir.write("fb.toml", &config(&sim, "api_key = \"none\""));
    let mut command = Command::new(&fb);
    command.args(["serve", "--config"]).arg(file).env("OPENAI_API_KEY", "sk-canary");
    let gateway = Gateway::spawn(command, dir).await;
    let response = gateway.post(CHAT).await;
    let keys: Vec<_> =
        sim.requests().iter().map(|request| request.header("authorization").is_some()).collect();
    // The simulator rejects requests without a key.
    assert_eq!((response.status, keys), (502, vec![false]), "{response:?}");
}
