//! A gateway process in front of three simulated providers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use fb_sim::{Dialect, Handle, Sim};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// How a scenario differs from three targets, one after the other.
pub(crate) struct Setup<'a> {
    /// Of every attempt.
    pub(crate) timeout: &'a str,
    /// More keys of the route.
    pub(crate) route: &'a str,
    /// More keys of its targets.
    pub(crate) targets: [&'a str; 3],
    /// More tables.
    pub(crate) more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { timeout: "5s", route: "", targets: [""; 3], more: "" }
    }
}

/// Everything of one scenario; dropping it stops the gateway and the providers.
pub(crate) struct Stage {
    pub(crate) primary: Sim,
    pub(crate) backup: Sim,
    pub(crate) third: Sim,
    client: reqwest::Client,
    url: String,
    gateway: Child,
    folder: PathBuf,
}

impl Stage {
    /// Starts the providers and the gateway. `timeout` is that of every attempt.
    pub(crate) async fn open(fb: &Path, timeout: &str) -> anyhow::Result<Self> {
        Self::open_with(fb, timeout, "").await
    }

    /// The same with more tables in the config.
    pub(crate) async fn open_with(fb: &Path, timeout: &str, more: &str) -> anyhow::Result<Self> {
        Self::of(fb, Setup { timeout, more, ..Setup::default() }).await
    }

    /// Starts the providers and the gateway.
    pub(crate) async fn of(fb: &Path, setup: Setup<'_>) -> anyhow::Result<Self> {
        let Setup { timeout, route, targets: [first, second, last], more } = setup;
        let primary = Sim::start(Dialect::OpenAi).await?;
        let backup = Sim::start(Dialect::Anthropic).await?;
        let third = Sim::start(Dialect::Ollama).await?;
        let config = format!(
            r#"
            [server]
            listen = "127.0.0.1:0"
            [providers.primary]
            kind = "openai"
            base_url = "{}"
            api_key = {{ env = "FB_CHAOS_KEY" }}
            [providers.backup]
            kind = "anthropic"
            base_url = "{}"
            api_key = {{ env = "FB_CHAOS_KEY" }}
            [providers.third]
            kind = "ollama"
            base_url = "{}"
            [routes.default]
            last_resort_wait = "1s"
            {route}
            [[routes.default.targets]]
            provider = "primary"
            model = "gpt-6.1-sol"
            timeout = "{timeout}"
            {first}
            [[routes.default.targets]]
            provider = "backup"
            model = "claude-sonnet-4-6"
            timeout = "{timeout}"
            {second}
            [[routes.default.targets]]
            provider = "third"
            model = "llama3.2"
            timeout = "{timeout}"
            {last}
            {more}
            "#,
            primary.base_url(),
            backup.base_url(),
            third.base_url()
        );
        let folder = std::env::temp_dir().join(format!("fb-chaos-{}", primary.addr().port()));
        fs::create_dir_all(&folder)?;
        let file = folder.join("fb.toml");
        fs::write(&file, config)?;
        let (gateway, url) = start(fb, &file).await?;
        // Each request on a connection of its own would measure the handshake; the pool is what real clients have.
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { primary, backup, third, client, url, gateway, folder })
    }

    /// Kills the gateway without a warning, as `kill -9` does, and starts it again with the same config.
    pub(crate) async fn kill_and_restart(&mut self, fb: &Path) -> anyhow::Result<()> {
        self.gateway.kill().await?;
        (self.gateway, self.url) = start(fb, &self.folder.join("fb.toml")).await?;
        Ok(())
    }

    pub(crate) fn sims(&self) -> [Handle; 3] {
        [self.primary.handle(), self.backup.handle(), self.third.handle()]
    }

    /// Calls counted at each provider.
    pub(crate) fn calls(&self) -> [u64; 3] {
        self.sims().map(|sim| sim.calls())
    }

    /// Sends one chat and reads all there is.
    pub(crate) async fn ask(&self, stream: bool) -> anyhow::Result<Heard> {
        self.ask_about("What is a circuit breaker?", stream).await
    }

    /// The same with a question of one's own, at temperature 0.
    pub(crate) async fn ask_about(&self, question: &str, stream: bool) -> anyhow::Result<Heard> {
        self.ask_with(&[], question, stream).await
    }

    async fn send(
        &self,
        headers: &[(&str, &str)],
        question: &str,
        stream: bool,
    ) -> anyhow::Result<reqwest::Response> {
        let body = json!({
            "model": "default",
            "messages": [{ "role": "user", "content": question }],
            "temperature": 0,
            "stream": stream,
        });
        let url = format!("{}/chat/completions", self.url);
        let request = self.client.post(url).header("content-type", "application/json").body(body.to_string());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.context("the gateway did not answer")
    }

    /// Asks for a stream, reads its first text and goes away; returns what was read.
    pub(crate) async fn ask_and_leave(&self) -> anyhow::Result<String> {
        let mut response = self.send(&[], "What is a circuit breaker?", true).await?;
        let mut read = Vec::new();
        while let Some(bytes) = response.chunk().await? {
            read.extend_from_slice(&bytes);
            if read.windows(4).any(|four| four == b"word") {
                break;
            }
        }
        String::from_utf8(read).context("the stream is not UTF-8")
    }

    /// The same with headers.
    pub(crate) async fn ask_with(
        &self,
        headers: &[(&str, &str)],
        question: &str,
        stream: bool,
    ) -> anyhow::Result<Heard> {
        let mut response = self.send(headers, question, stream).await?;
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
        Ok(Heard { status, served_by, trace, retry_after, level, cache, body, clean_end })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Left-over files in the temp folder harm nobody.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Starts a gateway and waits until it says where it listens.
async fn start(fb: &Path, config: &Path) -> anyhow::Result<(Child, String)> {
    let mut gateway = Command::new(fb)
        .args(["serve", "--config"])
        .arg(config)
        .env("FB_CHAOS_KEY", "sk-chaos")
        .env("FB_CHAOS_ACME", "sk-acme")
        .env("FB_CHAOS_ACME_CI", "sk-acme-ci")
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the gateway")?;
    let url = first_url(&mut gateway).await?;
    Ok((gateway, url))
}

/// The address the gateway prints when it listens.
async fn first_url(gateway: &mut Child) -> anyhow::Result<String> {
    let stdout = gateway.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) {
            return Ok(url.to_owned());
        }
    }
    bail!("the gateway ended without listening")
}

/// What one client got.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) served_by: String,
    pub(crate) trace: String,
    pub(crate) retry_after: String,
    pub(crate) level: String,
    pub(crate) cache: String,
    pub(crate) body: String,
    /// Whether the body ended as HTTP says, not by a cut connection.
    pub(crate) clean_end: bool,
}

impl Heard {
    /// The text of a whole plain answer.
    pub(crate) fn text(&self) -> anyhow::Result<String> {
        let body: Value = serde_json::from_str(&self.body).context("the answer is not JSON")?;
        let text = body["choices"][0]["message"]["content"].as_str().context("no content")?;
        Ok(text.to_owned())
    }

    /// The text of a stream's chunks.
    pub(crate) fn streamed_text(&self) -> String {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        chunks
            .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
            .collect()
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
