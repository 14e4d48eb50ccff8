//! A gateway process in front of simulated providers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use fb_sim::{Dialect, Sim};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::Mutex,
};

/// The value of a variable that `cargo xtask test` sets. Without it the test cannot run: under `CI=true` it fails,
/// elsewhere it prints that it did not run.
pub(crate) fn needs(variable: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let missing = format!("{variable} is not set: run the tests with `cargo xtask test`, which prepares it");
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("\n*** NOT RUN: {missing} ***\n");
    None
}

/// A folder of this test's own, removed at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fb-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A running `fb serve`; dropping it stops it.
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) said: Vec<String>,
    /// What it says after its address.
    more: Mutex<Lines<BufReader<ChildStdout>>>,
    child: Child,
    _folder: Folder,
}

impl Gateway {
    /// Starts it with a config's text, which may refer to a key as `FB_TEST_KEY`.
    pub(crate) async fn start(fb: &Path, config: &str) -> Self {
        Self::start_with_key(fb, config, "sk-test").await
    }

    pub(crate) async fn start_with_key(fb: &Path, config: &str, key: &str) -> Self {
        let folder = Folder::new();
        let file = folder.write("fb.toml", &format!("[server]\nlisten = \"127.0.0.1:0\"\n{config}"));
        let mut command = Command::new(fb);
        command.args(["serve", "--config"]).arg(file).env("FB_TEST_KEY", key);
        Self::spawn(command, folder).await
    }

    /// Starts any command that prints its address first.
    pub(crate) async fn spawn(mut command: Command, folder: Folder) -> Self {
        let mut child = command
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the fb binary starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let url = loop {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("fb ended without listening; it said {said:?}"));
            let url = line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
            said.push(line);
            if let Some(url) = url {
                break url;
            }
        };
        Self { url, said, more: Mutex::new(lines), child, _folder: folder }
    }

    /// Stops it as an operator does, and waits for its end.
    pub(crate) async fn stop(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(told.success(), "no signal to {id}");
        assert!(self.child.wait().await.unwrap().success(), "a clean end");
    }

    /// The address of its operators' listener, which it says after its own.
    pub(crate) async fn admin(&self) -> String {
        loop {
            let line =
                self.more.lock().await.next_line().await.unwrap().expect("it says where admin listens");
            if let Some((_, address)) = line.split_once("admin ") {
                return address.trim_end_matches("/v1/health").to_owned();
            }
        }
    }

    /// `POST /chat/completions` with any body.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> Heard {
        self.post_with("x-nothing", "", body).await
    }

    /// The same with one more header.
    pub(crate) async fn post_with(&self, name: &str, value: &str, body: impl Into<reqwest::Body>) -> Heard {
        let url = format!("{}/chat/completions", self.url);
        let request =
            client().post(url).header("content-type", "application/json").header(name, value).body(body);
        let mut response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = Vec::new();
        let clean_end = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Heard { status, headers, body: String::from_utf8(body).unwrap(), clean_end }
    }
}

/// An HTTP client; the gateway is asked over plain HTTP, but no client is built without TLS.
pub(crate) fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// What one client got.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
    pub(crate) clean_end: bool,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// A trace without its times: `primary/m 1 server_error (503); backup/m 1 ok`.
pub(crate) fn timeless(trace: &str) -> String {
    let rows = trace.split("; ").map(|row| match row.rsplit_once(' ') {
        Some((row, last)) if last.ends_with("ms") => row,
        _ => row,
    });
    rows.collect::<Vec<_>>().join("; ")
}

/// Three simulated providers: OpenAI, Anthropic and Ollama.
pub(crate) struct Sims {
    pub(crate) primary: Sim,
    pub(crate) backup: Sim,
    pub(crate) third: Sim,
}

impl Sims {
    pub(crate) async fn start() -> Self {
        Self {
            primary: Sim::start(Dialect::OpenAi).await.unwrap(),
            backup: Sim::start(Dialect::Anthropic).await.unwrap(),
            third: Sim::start(Dialect::Ollama).await.unwrap(),
        }
    }

    /// Calls counted at each.
    pub(crate) fn calls(&self) -> [u64; 3] {
        [self.primary.calls(), self.backup.calls(), self.third.calls()]
    }

    pub(crate) fn reset(&self) {
        for sim in [&self.primary, &self.backup, &self.third] {
            sim.heal();
            sim.reset_counters();
            sim.reply(fb_sim::SimReply::default());
        }
    }

    /// The three as providers and targets of the route `default`, then whatever else.
    pub(crate) fn config(&self, more: &str) -> String {
        let providers = self.providers();
        format!(
            r#"{providers}
            [routes.default]
            aliases = ["gpt-4o"]
            last_resort_wait = "500ms"
            [[routes.default.targets]]
            provider = "primary"
            model = "gpt-6.1-sol"
            timeout = "5s"
            [[routes.default.targets]]
            provider = "backup"
            model = "claude-sonnet-4-6"
            timeout = "5s"
            [[routes.default.targets]]
            provider = "third"
            model = "llama3.2"
            timeout = "5s"
            {more}
            "#
        )
    }

    pub(crate) fn providers(&self) -> String {
        format!(
            r#"
            [providers.primary]
            kind = "openai"
            base_url = "{}"
            api_key = {{ env = "FB_TEST_KEY" }}
            [providers.backup]
            kind = "anthropic"
            base_url = "{}"
            api_key = {{ env = "FB_TEST_KEY" }}
            [providers.third]
            kind = "ollama"
            base_url = "{}"
            "#,
            self.primary.base_url(),
            self.backup.base_url(),
            self.third.base_url()
        )
    }
}
