//! Real inference: a llama.cpp server with a small model.

use std::{
    fs::{self, File},
    net::TcpListener,
    time::Duration,
};

use fb_sim::Fault;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    eval,
    harness::{Gateway, Sims, TempDir, client, prepared, without_times},
};

/// A running llama.cpp server, killed when dropped.
struct Llama {
    url: String,
    _child: Child,
    _dir: TempDir,
}

impl Llama {
    /// Starts the server that `cargo xtask test` has prepared. Returns `None` on a machine that cannot run it, for which
    /// `FB_LLAMA_UNSUPPORTED` is set.
    async fn start() -> Option<Self> {
        if let Some(reason) = std::env::var_os("FB_LLAMA_UNSUPPORTED") {
            eprintln!("\n*** NOT RUN on this machine: {} ***\n", reason.display());
            return None;
        }
        let (server, model) = (prepared("FB_LLAMA_SERVER")?, prepared("FB_LLAMA_MODEL")?);
        let lib = prepared("FB_LLAMA_LIB")?;
        let dir = TempDir::new();
        let log = dir.0.join("llama-server.log");
        let output = File::create(&log).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(server)
            .arg("-m")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            // One thread: two of them spin for each other on a busy machine of two cores.
            .args("-a smollm2 -c 4096 -np 2 -t 1 --device none --offline --no-ui --metrics".split(' '))
            .args(["--api-key", "test-key"])
            .env("LD_LIBRARY_PATH", lib)
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let ready = async {
            let http = client();
            while !http.get(format!("{url}/health")).send().await.is_ok_and(|answer| answer.status() == 200) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            () = ready => {}
            status = child.wait() => {
                panic!("llama-server ended with {}: {}", status.unwrap(), fs::read_to_string(&log).unwrap_or_default())
            }
            () = tokio::time::sleep(Duration::from_mins(3)) => panic!("llama-server was not ready in 3 minutes"),
        }
        Some(Self { url, _child: child, _dir: dir })
    }

    /// Returns the provider's table in the gateway config.
    fn provider(&self) -> String {
        format!(
            r#"
            [providers.local]
            kind = "llamacpp"
            base_url = "{}/v1"
            api_key = {{ env = "FB_TEST_KEY" }}
            "#,
            self.url
        )
    }

    /// Returns the number of slots that generate an answer.
    async fn busy(&self) -> usize {
        let request = client().get(format!("{}/slots", self.url)).bearer_auth("test-key").send();
        let slots: Value = serde_json::from_str(&request.await.unwrap().text().await.unwrap()).unwrap();
        let slots = slots.as_array().unwrap_or_else(|| panic!("{slots}"));
        slots.iter().filter(|slot| slot["is_processing"] == true).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_answers_when_the_first_two_targets_are_broken() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let Some(llama) = Llama::start().await else { return };
    let sims = Sims::start().await;
    sims.primary.fault(Fault::status(503));
    sims.backup.fault(Fault::Reset);
    let config = format!(
        r#"{}
        {}
        [[routes.default.targets]]
        provider = "primary"
        model = "gpt-6.1-sol"
        [[routes.default.targets]]
        provider = "backup"
        model = "claude-sonnet-4-6"
        [[routes.default.targets]]
        provider = "local"
        model = "smollm2"
        timeout = "60s"
        "#,
        sims.providers(),
        llama.provider()
    );
    let gateway = Gateway::start_with_key(&fb, &config, "test-key").await;
    for stream in [false, true] {
        let body = json!({
            "model": "default", "stream": stream, "temperature": 0, "seed": 7, "max_tokens": 40,
            "messages": [
                { "role": "system", "content": "You are a helpful assistant." },
                { "role": "user", "content": "What is the capital of France?" },
            ],
        });
        let response = gateway.post(body.to_string()).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("x-fb-served-by"), "local/smollm2");
        assert!(text(&response.body).contains("Paris"), "{response:?}");
        assert_eq!(response.body.ends_with("data: [DONE]\n\n"), stream);
        let trace = without_times(response.header("x-fb-trace"));
        let targets: Vec<&str> = trace.split("; ").filter_map(|row| row.split(' ').next()).collect();
        let mut hops = targets.clone();
        hops.dedup();
        assert_eq!(hops, ["primary/gpt-6.1-sol", "backup/claude-sonnet-4-6", "local/smollm2"], "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_request_frees_the_slot_of_a_real_model() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let Some(llama) = Llama::start().await else { return };
    let config = format!(
        r#"
        {}
        [[routes.default.targets]]
        provider = "local"
        model = "smollm2"
        timeout = "60s"
        "#,
        llama.provider()
    );
    let gateway = Gateway::start_with_key(&fb, &config, "test-key").await;
    // Takes two minutes at 30 tokens a second unless it is cancelled.
    let body = json!({
        "model": "default", "stream": true, "max_tokens": 3_600, "ignore_eos": true,
        "messages": [{ "role": "user", "content": "Count from one to ten thousand." }],
    });
    let request = client().post(format!("{}/chat/completions", gateway.url)).body(body.to_string());
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    assert_eq!(llama.busy().await, 1);
    drop(response);
    let freed = async {
        while llama.busy().await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed).await.expect("the slot is free within ten seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_is_enforced_and_an_unsatisfiable_one_fails_after_one_repair() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let Some(llama) = Llama::start().await else { return };
    let config = format!(
        r#"
        {}
        [routes.checked]
        quality = {{ schema = true, empty = true, repair = true }}
        targets = [{{ provider = "local", model = "smollm2", timeout = "60s" }}]
        [routes.impossible]
        quality = {{ answer_schema = '{{"type":"object","properties":{{"city":{{"const":"Atlantis"}}}},"required":["city"]}}', repair = true }}
        targets = [{{ provider = "local", model = "smollm2", timeout = "60s" }}]
        "#,
        llama.provider()
    );
    let gateway = Gateway::start_with_key(&fb, &config, "test-key").await;
    let schema = json!({
        "type": "object", "properties": { "city": { "type": "string", "maxLength": 20 } }, "required": ["city"],
        "additionalProperties": false,
    });
    let send = |route: &str, format: Value| {
        let body = json!({
            "model": route, "temperature": 0, "seed": 7, "max_tokens": 60, "response_format": format,
            "messages": [{ "role": "user", "content": "Name the capital of France as JSON." }],
        });
        gateway.post(body.to_string())
    };
    let with_schema =
        json!({ "type": "json_schema", "json_schema": { "name": "city", "schema": schema, "strict": true } });
    let response = send("checked", with_schema).await;
    assert_eq!(response.status, 200, "{response:?}");
    let answer: Value = serde_json::from_str(&text(&response.body)).unwrap();
    assert!(answer["city"].is_string() && answer.as_object().unwrap().len() == 1, "{answer}");

    let response = send("impossible", json!({ "type": "text" })).await;
    let error = response.json();
    assert_eq!(
        (response.status, error["error"]["code"].as_str()),
        (502, Some("quality_gate")),
        "{response:?}"
    );
    assert_eq!(response.header("x-fb-attempts"), "2", "one answer and one repair");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_model_is_evaluated_beside_a_simulator() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let Some(llama) = Llama::start().await else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let config = format!(
        r#"
        {}
        {}
        [routes.default]
        quality = {{ schema = true, tools = true, empty = true, repair = true }}
        targets = [
            {{ provider = "local", model = "smollm2", timeout = "60s" }},
            {{ provider = "primary", model = "m" }},
        ]
        "#,
        sims.providers(),
        llama.provider()
    );
    dir.write("fb.toml", &config);
    let args = ["eval", "--config", "fb.toml", "--min-pass", "0.4", eval::CASES];
    let (code, stdout, stderr) = eval::run(&fb, &dir, &args, "test-key").await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(eval::row(&stdout, "primary/m")[..3], ["3/5", "60.0 %", "0"], "{stdout}");
    assert_eq!(eval::row(&stdout, "local/smollm2")[2], "0", "{stdout}");
    // The grammar of llama.cpp enforces the schema, and the other two answers are too likely to vary between runs.
    let failed: Vec<&str> = eval::notes(&stdout, "local/smollm2").iter().map(|note| note[1]).collect();
    assert!(["greeting", "capital", "city-json"].iter().all(|case| !failed.contains(case)), "{stdout}");
}

/// Returns the text of a plain answer or of all chunks of a stream.
fn text(body: &str) -> String {
    let chunks: Vec<&str> = if body.starts_with('{') {
        vec![body]
    } else {
        body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]").collect()
    };
    let mut text = String::new();
    for chunk in chunks {
        let chunk: Value = serde_json::from_str(chunk).unwrap();
        let choice = &chunk["choices"][0];
        let content = choice["message"]["content"].as_str().or_else(|| choice["delta"]["content"].as_str());
        text.push_str(content.unwrap_or_default());
    }
    text
}
