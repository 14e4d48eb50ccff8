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

/// Returns the path in a variable that `cargo xtask test` sets. Without it the test cannot run: under `CI=true` it fails,
/// elsewhere it prints that it did not run.
pub(crate) fn prepared(variable: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let missing = format!("{variable} is not set: run the tests with `cargo xtask test`, which prepares it");
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("\n*** NOT RUN: {missing} ***\n");
    None
}

/// A chat of one message to the route `default`.
pub(crate) const CHAT: &str = r#"{"model":"default","messages":[{"role":"user","content":"hi"}]}"#;

/// The config of an admin listener with the token `sk-test`.
pub(crate) const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"FB_TEST_KEY\" }\n";

/// Returns the config of a provider of this kind at a simulator, with a key.
pub(crate) fn provider(name: &str, kind: &str, sim: &Sim) -> String {
    let url = sim.base_url();
    format!(
        "[providers.{name}]\nkind = \"{kind}\"\nbase_url = \"{url}\"\napi_key = {{ env = \"FB_TEST_KEY\" }}\n"
    )
}

/// A temporary directory of one test, removed when dropped.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
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

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A running `fb serve`, killed when dropped.
pub(crate) struct Gateway {
    pub(crate) url: String,
    /// The lines printed up to the address.
    pub(crate) output: Vec<String>,
    /// The lines printed after the address.
    stdout: Mutex<Lines<BufReader<ChildStdout>>>,
    child: Child,
    _dir: TempDir,
}

impl Gateway {
    /// Starts the gateway with the text of a config, which can refer to a key as `FB_TEST_KEY`.
    pub(crate) async fn start(fb: &Path, config: &str) -> Self {
        Self::start_with_key(fb, config, "sk-test").await
    }

    pub(crate) async fn start_with_key(fb: &Path, config: &str, key: &str) -> Self {
        Self::start_as(fb, &format!("drain_delay = \"0s\"\n{config}"), key).await
    }

    /// Starts the gateway with the text of a config that sets the delay before it stops.
    pub(crate) async fn start_with_delay(fb: &Path, config: &str) -> Self {
        Self::start_as(fb, config, "sk-test").await
    }

    async fn start_as(fb: &Path, config: &str, key: &str) -> Self {
        let dir = TempDir::new();
        let file = dir.write("fb.toml", &format!("[server]\nlisten = \"127.0.0.1:0\"\n{config}"));
        let mut command = Command::new(fb);
        command.args(["serve", "--config"]).arg(file).env("FB_TEST_KEY", key);
        Self::spawn(command, dir).await
    }

    /// Starts a command and waits until it has printed its address.
    pub(crate) async fn spawn(mut command: Command, dir: TempDir) -> Self {
        if !command.as_std().get_envs().any(|(name, _)| name == "RUST_LOG") {
            command.env("RUST_LOG", "error");
        }
        let mut child =
            command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the fb binary starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut output = Vec::new();
        let url = loop {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("fb ended without listening; it printed {output:?}"));
            let url = line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
            output.push(line);
            if let Some(url) = url {
                break url;
            }
        };
        Self { url, output, stdout: Mutex::new(lines), child, _dir: dir }
    }

    /// Sends a signal to the gateway, as an operator would.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the gateway runs").to_string();
        let kill = Command::new("kill").args([name, &id]).status().await.unwrap();
        assert!(kill.success(), "no signal to {id}");
    }

    /// Returns the largest amount of memory that the gateway has used so far, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let id = self.child.id().expect("the gateway runs");
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: usize = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
        kilobytes << 10
    }

    /// Stops the gateway with SIGTERM and waits for its exit.
    pub(crate) async fn stop(mut self) {
        self.signal("-TERM").await;
        assert!(self.child.wait().await.unwrap().success(), "a clean end");
    }

    /// Waits until the gateway has ended after a signal.
    pub(crate) async fn ended(mut self) {
        assert!(self.child.wait().await.unwrap().success(), "a clean end");
    }

    /// Returns the number of files that the gateway has open, most of them connections.
    pub(crate) fn open_files(&self) -> usize {
        let id = self.child.id().expect("the gateway runs");
        fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
    }

    /// Returns a figure of the gateway's memory in KiB, such as `VmHWM`, the peak.
    pub(crate) async fn memory_kib(&self, figure: &str) -> u64 {
        let id = self.child.id().expect("the gateway runs");
        let status = tokio::fs::read_to_string(format!("/proc/{id}/status")).await.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
        line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").trim().parse().unwrap()
    }

    /// Returns the address of the admin listener, which is printed after that of the gateway.
    pub(crate) async fn admin(&self) -> String {
        loop {
            let line = self
                .stdout
                .lock()
                .await
                .next_line()
                .await
                .unwrap()
                .expect("the address of the admin listener");
            if let Some((_, address)) = line.split_once("admin ") {
                return address.trim_end_matches("/v1/health").to_owned();
            }
        }
    }

    /// Sends `POST /chat/completions` with any body.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> HttpResponse {
        self.post_with("x-nothing", "", body).await
    }

    /// Sends `POST /chat/completions` with an additional header.
    pub(crate) async fn post_with(
        &self,
        name: &str,
        value: &str,
        body: impl Into<reqwest::Body>,
    ) -> HttpResponse {
        self.post_to("/chat/completions", &[(name, value)], body).await
    }

    /// Sends any body to a path below `/v1` with additional headers.
    pub(crate) async fn post_to(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> HttpResponse {
        let request = client().post(format!("{}{path}", self.url)).header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(body);
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
        HttpResponse { status, headers, body: String::from_utf8(body).unwrap(), clean_end }
    }
}

/// Creates an HTTP client.
pub(crate) fn client() -> reqwest::Client {
    client_with(reqwest::header::HeaderMap::new())
}

/// Returns a client of the admin API with the token of [`ADMIN`].
pub(crate) fn operator() -> reqwest::Client {
    let token = ("authorization".parse().unwrap(), "Bearer sk-test".parse().unwrap());
    client_with([token].into_iter().collect())
}

/// Returns a client that sends these headers with every request.
fn client_with(headers: reqwest::header::HeaderMap) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().default_headers(headers).build().unwrap()
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
    /// False if the connection broke before the end of the body.
    pub(crate) clean_end: bool,
}

impl HttpResponse {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// Removes the times from a trace: `primary/m 1 server_error (503); backup/m 1 ok`.
pub(crate) fn without_times(trace: &str) -> String {
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

    /// Returns the calls counted by each simulator.
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

    /// Returns a config with the three as providers and as targets of the route `default`, followed by `more`.
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
        let third =
            format!("[providers.third]\nkind = \"ollama\"\nbase_url = \"{}\"\n", self.third.base_url());
        provider("primary", "openai", &self.primary) + &provider("backup", "anthropic", &self.backup) + &third
    }
}
