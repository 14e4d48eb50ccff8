//! `fb demo`: breaks simulated providers behind a gateway and prints every attempt.

mod screen;

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use fb::{BreakerConfig, Client, Config, Route, Target, providers::ProviderConfig};
use fb_server::ServerConfig;
use fb_sim::{Dialect, Fault, Sim, SimReply};
use tokio::{net::TcpListener, task::JoinSet};

use self::screen::Screen;
use crate::{
    runtime::{StopSignals, runtime},
    stdout::print_line,
};

/// Prompt of every request.
const PROMPT: &str = "What is a circuit breaker?";
/// Preferred ports of the simulated providers.
const PORTS: [u16; 3] = [39101, 39102, 39103];
/// Time for which a breaker stays open: long enough to be seen in the output, short enough to wait for.
const OPEN_TIME: Duration = Duration::from_secs(2);

/// Runs the demo; unless `once`, keeps the gateway running until SIGINT or SIGTERM.
pub(crate) fn demo(once: bool, listen: SocketAddr) -> Result<ExitCode, String> {
    runtime()?.block_on(async {
        let demo = Demo::start(listen).await?;
        demo.run().await?;
        if !once {
            print_line(&demo.instructions());
            StopSignals::start()?.next().await;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Three simulated providers and a gateway over them.
struct Demo {
    openai: Sim,
    anthropic: Sim,
    ollama: Sim,
    url: String,
    http: reqwest::Client,
    screen: Arc<Screen>,
    /// Runs the gateway; dropping it stops the gateway.
    _gateway: JoinSet<()>,
}

impl Demo {
    async fn start(listen: SocketAddr) -> Result<Self, String> {
        let openai = simulate(Dialect::OpenAi, PORTS[0]).await?;
        let anthropic = simulate(Dialect::Anthropic, PORTS[1]).await?;
        let ollama = simulate(Dialect::Ollama, PORTS[2]).await?;
        for sim in [&openai, &anthropic, &ollama] {
            let text =
                format!("A guard that stops calls to a failing provider (answer of {}).", sim.dialect());
            sim.reply(SimReply { latency: Duration::from_millis(35), ..SimReply::text(text) });
        }
        let screen = Arc::new(Screen::new());
        let client = client(&openai, &anthropic, &ollama, Arc::clone(&screen))?;
        let free = TcpListener::bind(listen).await.is_ok();
        let listen = if free { listen } else { SocketAddr::from(([127, 0, 0, 1], 0)) };
        let config = ServerConfig { listen, ..ServerConfig::default() };
        let gateway = fb_server::start(&config, &Config::default(), client)
            .await
            .map_err(|error| format!("cannot listen: {error}"))?;
        let url = format!("http://{}/v1", gateway.addr());
        let mut running = JoinSet::new();
        running.spawn(gateway.run_until(std::future::pending()));
        let http = fb::providers::plain_http_client().map_err(|error| error.to_string())?;
        Ok(Self { openai, anthropic, ollama, url, http, screen, _gateway: running })
    }

    async fn run(&self) -> Result<(), String> {
        let port = |sim: &Sim| sim.addr().port();
        print_line(&format!(
            "simulating openai :{}   anthropic :{}   ollama :{}     gateway {}\n",
            port(&self.openai),
            port(&self.anthropic),
            port(&self.ollama),
            self.url
        ));
        self.screen.title("all well");
        self.send_request().await?;

        self.openai.fault(Fault::status(503));
        self.screen.title("openai down (503)");
        self.send_request().await?;
        self.screen.title("openai still down, until its breaker opens");
        for _ in 0..5 {
            self.send_request().await?;
        }

        self.anthropic.fault(Fault::Refuse);
        self.screen.title("anthropic down too (refuses connections)");
        self.send_request().await?;

        self.ollama.fault(Fault::status(503));
        self.screen.title("all down");
        self.send_request().await?;

        for sim in [&self.openai, &self.anthropic, &self.ollama] {
            sim.heal();
        }
        self.screen.title("all healed; the breakers let probes through");
        tokio::time::sleep(OPEN_TIME * 2).await;
        for _ in 0..3 {
            self.send_request().await?;
        }
        Ok(())
    }

    /// Sends one request and prints the answer. The observer prints the attempts meanwhile.
    async fn send_request(&self) -> Result<(), String> {
        let body =
            serde_json::json!({ "model": "default", "messages": [{ "role": "user", "content": PROMPT }] });
        let url = format!("{}/chat/completions", self.url);
        let request = self.http.post(url).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.map_err(|error| format!("the gateway did not answer: {error}"))?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| format!("the answer was cut: {error}"))?;
        let body: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let content =
            body["choices"][0]["message"]["content"].as_str().or_else(|| body["error"]["message"].as_str());
        self.screen.answer(status, content.unwrap_or_default());
        Ok(())
    }

    fn instructions(&self) -> String {
        format!(
            "\ntry it:    curl {url}/chat/completions -d '{{\"model\":\"default\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}'\n\
             break it:  curl -X POST http://{sim}/sim/fault -d 'status=503'\n\
             heal it:   curl -X POST http://{sim}/sim/heal\n\
             Press Ctrl-C to stop.",
            url = self.url,
            sim = self.openai.addr(),
        )
    }
}

/// Starts a simulated provider at its preferred port, or at a free one if that is in use.
async fn simulate(dialect: Dialect, port: u16) -> Result<Sim, String> {
    match Sim::start_on(dialect, SocketAddr::from(([127, 0, 0, 1], port))).await {
        Ok(sim) => Ok(sim),
        Err(_) => Sim::start(dialect).await.map_err(|error| format!("cannot simulate {dialect}: {error}")),
    }
}

fn client(openai: &Sim, anthropic: &Sim, ollama: &Sim, screen: Arc<Screen>) -> Result<Client, String> {
    let mut breaker = BreakerConfig::default();
    breaker.open.base = OPEN_TIME;
    let mut builder = Client::builder().breaker(breaker).observer(screen).route(Route::priority(
        "default",
        [
            Target::new("openai", "gpt-6.1-sol").timeout_secs(5),
            Target::new("anthropic", "claude-sonnet-4-6").timeout_secs(5),
            Target::new("ollama", "llama3.2").timeout_secs(5),
        ],
    ));
    for sim in [openai, anthropic, ollama] {
        let kind = sim.dialect().to_string();
        let provider = ProviderConfig::with_key(&kind, "sk-demo").base_url(sim.base_url());
        builder = builder.provider(&kind, provider.build().map_err(|error| error.to_string())?);
    }
    builder.build().map_err(|error| error.to_string())
}
