//! A gateway process in front of three simulated providers.

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use fb_sim::{Counters, Dialect, Handle, Sim};
use serde_json::{Value, json};
use tokio::{task::block_in_place, time::Instant};

pub(crate) const PRIMARY: &str = "primary/gpt-6.1-sol";
pub(crate) const BACKUP: &str = "backup/claude-sonnet-4-6";
pub(crate) const THIRD: &str = "third/llama3.2";

/// Limit of every wait for a condition: far longer than the condition takes on a busy machine.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// A table that keeps an open breaker open for the whole scenario, and disables free probes, so that the number of calls
/// does not depend on the speed of the machine.
pub(crate) const STEADY: &str = r#"
    [breaker]
    open = { base = "120s", factor = 1.0, max = "120s" }
    [health.probe]
    enabled = false
"#;

/// The differences of a scenario from three targets in sequence.
pub(crate) struct Setup<'a> {
    /// Timeout of an attempt at each target.
    pub(crate) timeouts: [&'a str; 3],
    /// Additional keys of the route.
    pub(crate) route: &'a str,
    /// Additional keys of each target.
    pub(crate) targets: [&'a str; 3],
    /// Additional tables.
    pub(crate) more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { timeouts: ["10s"; 3], route: "", targets: [""; 3], more: "" }
    }
}

/// The processes and servers of one scenario. Dropping it stops the gateway and the providers.
pub(crate) struct Testbed {
    pub(crate) primary: Sim,
    pub(crate) backup: Sim,
    pub(crate) third: Sim,
    client: reqwest::Client,
    gateway: Gateway,
    folder: PathBuf,
}

struct Gateway {
    process: Child,
    url: String,
    /// The URL of the health report, if the config has an admin listener.
    health_url: Option<String>,
}

impl Testbed {
    /// Starts the providers and the gateway.
    pub(crate) async fn start(fb: &Path, setup: Setup<'_>) -> anyhow::Result<Self> {
        let primary = Sim::start(Dialect::OpenAi).await?;
        let backup = Sim::start(Dialect::Anthropic).await?;
        let third = Sim::start(Dialect::Ollama).await?;
        let urls = [&primary, &backup, &third].map(Sim::base_url);
        let folder = std::env::temp_dir().join(format!("fb-chaos-{}", primary.addr().port()));
        fs::create_dir_all(&folder)?;
        let file = folder.join("fb.toml");
        fs::write(&file, config(&urls, &setup))?;
        let gateway = Gateway::start(fb, &file)?;
        // Pooled connections, as real clients use them: a connection per request would measure the handshake.
        let client = reqwest::Client::builder().no_proxy().timeout(WAIT_LIMIT).build()?;
        Ok(Self { primary, backup, third, client, gateway, folder })
    }

    /// Kills the gateway without a warning, like `kill -9`, and starts it again with the same config.
    pub(crate) fn kill_and_restart(&mut self, fb: &Path) -> anyhow::Result<()> {
        self.gateway.process.kill()?;
        block_in_place(|| self.gateway.process.wait())?;
        self.gateway = Gateway::start(fb, &self.folder.join("fb.toml"))?;
        Ok(())
    }

    pub(crate) fn sims(&self) -> [Handle; 3] {
        [self.primary.handle(), self.backup.handle(), self.third.handle()]
    }

    /// Number of calls received by each provider.
    pub(crate) fn calls(&self) -> [u64; 3] {
        self.sims().map(|sim| sim.calls())
    }

    /// Clears the counters of every provider.
    pub(crate) fn reset_calls(&self) {
        self.sims().iter().for_each(Handle::reset_counters);
    }

    /// Sends one chat request and reads the complete response.
    pub(crate) async fn chat(&self, stream: bool) -> anyhow::Result<ClientResponse> {
        self.chat_about("What is a circuit breaker?", stream).await
    }

    /// Sends one chat request with this prompt, at temperature 0.
    pub(crate) async fn chat_about(&self, prompt: &str, stream: bool) -> anyhow::Result<ClientResponse> {
        self.chat_with(&[], prompt, stream).await
    }

    /// Sends one chat request with these headers and this prompt.
    pub(crate) async fn chat_with(
        &self,
        headers: &[(&str, &str)],
        prompt: &str,
        stream: bool,
    ) -> anyhow::Result<ClientResponse> {
        ClientResponse::read(self.send("default", headers, prompt, stream).await?).await
    }

    /// Sends one chat request to this route and reads the complete response.
    pub(crate) async fn chat_at(&self, route: &str, stream: bool) -> anyhow::Result<ClientResponse> {
        ClientResponse::read(self.send(route, &[], "What is a circuit breaker?", stream).await?).await
    }

    /// Sends one request in Anthropic's dialect and reads the complete response.
    pub(crate) async fn message(&self, stream: bool) -> anyhow::Result<ClientResponse> {
        let body = json!({
            "model": "default",
            "max_tokens": 64,
            "messages": [{ "role": "user", "content": "What is a circuit breaker?" }],
            "stream": stream,
        });
        let url = format!("{}/messages", self.gateway.url);
        let request = self.client.post(url).header("anthropic-version", "2023-06-01");
        let request = request.header("content-type", "application/json").body(body.to_string());
        ClientResponse::read(request.send().await.context("the gateway did not answer")?).await
    }

    /// Requests a stream, reads its first text, and disconnects. Returns the data read.
    pub(crate) async fn start_and_cancel_stream(&self) -> anyhow::Result<String> {
        let mut response = self.send("default", &[], "What is a circuit breaker?", true).await?;
        let mut read = Vec::new();
        while let Some(bytes) = response.chunk().await? {
            read.extend_from_slice(&bytes);
            if read.windows(4).any(|four| four == b"word") {
                break;
            }
        }
        String::from_utf8(read).context("the stream is not UTF-8")
    }

    async fn send(
        &self,
        route: &str,
        headers: &[(&str, &str)],
        prompt: &str,
        stream: bool,
    ) -> anyhow::Result<reqwest::Response> {
        let body = json!({
            "model": route,
            "messages": [{ "role": "user", "content": prompt }],
            "temperature": 0,
            "stream": stream,
        });
        let url = format!("{}/chat/completions", self.gateway.url);
        let request = self.client.post(url).header("content-type", "application/json").body(body.to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.context("the gateway did not answer")
    }

    /// Waits until the gateway's health report shows the endpoint of a target in this condition. Needs an admin listener.
    pub(crate) async fn wait_for_endpoint(&self, target: &str, condition: &str) -> anyhow::Result<()> {
        let url = self.gateway.health_url.as_ref().context("the config has no admin listener")?;
        let wait = Wait::for_condition(format!("{target} to be {condition}"));
        loop {
            let report = self.client.get(url).send().await?.bytes().await?;
            let report: Value = serde_json::from_slice(&report)?;
            let rows = report["targets"].as_array().context("no targets in the health report")?;
            if rows.iter().any(|row| row["target"] == target && row["endpoint"] == condition) {
                return Ok(());
            }
            wait.pause().await?;
        }
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        // Remaining files in the temporary folder are harmless.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Waits until a provider has no request in flight.
pub(crate) async fn wait_until_idle(sim: &Handle) -> anyhow::Result<Counters> {
    let idle = sim.wait_until(|counters| counters.open == 0);
    tokio::time::timeout(WAIT_LIMIT, idle).await.context("requests are still in flight")
}

/// A bounded wait for a condition that the caller polls.
pub(crate) struct Wait {
    condition: String,
    deadline: Instant,
}

impl Wait {
    pub(crate) fn for_condition(condition: impl Into<String>) -> Self {
        Self { condition: condition.into(), deadline: Instant::now() + WAIT_LIMIT }
    }

    /// Pauses before the next poll.
    ///
    /// # Errors
    /// Returns an error once the limit has passed.
    pub(crate) async fn pause(&self) -> anyhow::Result<()> {
        ensure!(Instant::now() < self.deadline, "waited {WAIT_LIMIT:?} for {}", self.condition);
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    }
}

fn config([primary, backup, third]: &[String; 3], setup: &Setup<'_>) -> String {
    let Setup { timeouts, route, targets, more } = setup;
    format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        [providers.primary]
        kind = "openai"
        base_url = "{primary}"
        api_key = {{ env = "FB_CHAOS_KEY" }}
        [providers.backup]
        kind = "anthropic"
        base_url = "{backup}"
        api_key = {{ env = "FB_CHAOS_KEY" }}
        [providers.third]
        kind = "ollama"
        base_url = "{third}"
        [routes.default]
        last_resort_wait = "1s"
        {route}
        [[routes.default.targets]]
        provider = "primary"
        model = "gpt-6.1-sol"
        timeout = "{}"
        {}
        [[routes.default.targets]]
        provider = "backup"
        model = "claude-sonnet-4-6"
        timeout = "{}"
        {}
        [[routes.default.targets]]
        provider = "third"
        model = "llama3.2"
        timeout = "{}"
        {}
        {more}
        "#,
        timeouts[0], targets[0], timeouts[1], targets[1], timeouts[2], targets[2],
    )
}

impl Gateway {
    /// Starts a gateway and waits until it listens.
    fn start(fb: &Path, config: &Path) -> anyhow::Result<Self> {
        // The standard library's process: the feature `process` of tokio would compile everything that the gateway was
        // built from a second time.
        let mut process = Command::new(fb)
            .args(["serve", "--config"])
            .arg(config)
            .env("FB_CHAOS_KEY", "sk-chaos")
            .env("FB_CHAOS_ACME", "sk-acme")
            .env("FB_CHAOS_ACME_CI", "sk-acme-ci")
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the gateway")?;
        let stdout = process.stdout.take().context("no standard output")?;
        let mut gateway = Self { process, url: String::new(), health_url: None };
        let has_admin = fs::read_to_string(config)?.contains("[admin]");
        block_in_place(|| {
            let mut lines = BufReader::new(stdout).lines();
            gateway.url = next_url(&mut lines, "")?;
            if has_admin {
                gateway.health_url = Some(next_url(&mut lines, "admin")?);
            }
            Ok(gateway)
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Returns the next URL that the gateway prints on a line with this text.
fn next_url(lines: &mut Lines<BufReader<ChildStdout>>, text: &str) -> anyhow::Result<String> {
    for line in lines {
        let line = line?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        if let Some(url) = url.filter(|_| line.contains(text)) {
            return Ok(url.to_owned());
        }
    }
    bail!("the gateway ended without listening")
}

/// The response to one client.
#[derive(Debug)]
pub(crate) struct ClientResponse {
    pub(crate) status: u16,
    pub(crate) served_by: String,
    pub(crate) trace: String,
    pub(crate) retry_after: String,
    pub(crate) level: String,
    pub(crate) cache: String,
    pub(crate) body: String,
    /// `true` if the body is complete by HTTP framing, `false` if the connection was cut.
    pub(crate) clean_end: bool,
}

impl ClientResponse {
    async fn read(mut response: reqwest::Response) -> anyhow::Result<Self> {
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (served_by, trace, retry_after) =
            (header("x-fb-served-by"), header("x-fb-trace"), header("retry-after"));
        let (level, cache) = (header("x-fb-level"), header("x-fb-cache"));
        let mut text = Vec::new();
        let clean_end = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => text.extend_from_slice(&bytes),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let body = String::from_utf8(text).context("the answer is not UTF-8")?;
        Ok(Self { status, served_by, trace, retry_after, level, cache, body, clean_end })
    }

    /// The text of a plain answer.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let body: Value = serde_json::from_str(&self.body).context("the answer is not JSON")?;
        let text = body["choices"][0]["message"]["content"].as_str().context("no content")?;
        Ok(text.to_owned())
    }

    /// The concatenated text of a stream's chunks.
    pub(crate) fn streamed_text(&self) -> String {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        chunks
            .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
            .collect()
    }

    /// The concatenated text of a stream in Anthropic's dialect.
    pub(crate) fn message_text(&self) -> String {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let events = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        events.filter_map(|event| Some(event["delta"]["text"].as_str()?.to_owned())).collect()
    }

    pub(crate) fn has_done(&self) -> bool {
        self.body.contains("data: [DONE]")
    }

    /// The machine-readable code of an error.
    pub(crate) fn code(&self) -> anyhow::Result<String> {
        let body: Value = serde_json::from_str(&self.body).context("the error is not JSON")?;
        Ok(body["error"]["code"].as_str().context("no code")?.to_owned())
    }
}
