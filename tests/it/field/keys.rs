//! API keys: rejected ones, and providers with several.

use std::time::Duration;

use fb_sim::{Fault, Sim, SimReply};
use serde_json::json;
use tokio::time::timeout;

use crate::harness::{ADMIN, CHAT, Gateway, HttpResponse, Sims, TempDir, client, prepared};

/// Returns a config with the key of the primary in a file.
fn config(sims: &Sims, key: &std::path::Path) -> String {
    let file = format!("api_key = {{ file = \"{}\" }}", key.display());
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"FB_TEST_KEY\" }\n";
    admin.to_owned() + &sims.config("").replacen("api_key = { env = \"FB_TEST_KEY\" }", &file, 1)
}

/// Returns the keys of all calls that a simulator received, in order.
fn keys(sim: &Sim) -> Vec<String> {
    let key = |request: &fb_sim::RecordedRequest| request.header("authorization").unwrap_or("-").to_owned();
    // Probes are free and come at any time.
    sim.requests().iter().filter(|request| request.path.ends_with("/chat/completions")).map(key).collect()
}

fn served_by(response: &HttpResponse) -> &str {
    response.header("x-fb-served-by")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_key_is_read_again_and_tried_by_one_call() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let key = dir.write("key", "sk-old\n");
    let gateway = Gateway::start(&fb, &config(&sims, &key)).await;
    sims.primary.fault(Fault::status(401));
    for _ in 0..5 {
        assert_eq!(served_by(&gateway.post(CHAT).await), "backup/claude-sonnet-4-6");
    }
    assert_eq!(keys(&sims.primary), ["Bearer sk-old"]);

    dir.write("key", "sk-new\n");
    sims.primary.heal();
    // The answer to the trial takes a while, and all other requests pass it by.
    sims.primary.reply(SimReply { latency: Duration::from_millis(300), ..SimReply::default() });
    let in_time = timeout(Duration::from_secs(25), async {
        loop {
            let both = tokio::join!(gateway.post(CHAT), gateway.post(CHAT));
            if [&both.0, &both.1].map(served_by).contains(&"primary/gpt-6.1-sol") {
                break;
            }
        }
    });
    in_time.await.expect("tried before the end of the pause");
    assert_eq!(keys(&sims.primary), ["Bearer sk-old", "Bearer sk-new"]);
    let both = tokio::join!(gateway.post(CHAT), gateway.post(CHAT));
    assert_eq!([&both.0, &both.1].map(served_by), ["primary/gpt-6.1-sol"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_that_a_probe_reads_first_is_tried_at_once() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let key = dir.write("key", "sk-old");
    let probes = "[health.probe]\ninterval = \"1s\"\ntimeout = \"500ms\"\n";
    let gateway = Gateway::start(&fb, &(probes.to_owned() + &config(&sims, &key))).await;
    sims.primary.fault(Fault::status(401));
    assert_eq!(served_by(&gateway.post(CHAT).await), "backup/claude-sonnet-4-6");

    dir.write("key", "sk-new");
    let is_read =
        |request: &fb_sim::RecordedRequest| request.header("authorization") == Some("Bearer sk-new");
    let probed = async {
        while !sims.primary.requests().iter().any(is_read) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), probed).await.expect("a probe reads the key again");
    sims.primary.heal();
    let served = async { while served_by(&gateway.post(CHAT).await) != "primary/gpt-6.1-sol" {} };
    timeout(Duration::from_secs(10), served).await.expect("tried before the end of the pause");
    assert_eq!(keys(&sims.primary), ["Bearer sk-old", "Bearer sk-new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_ends_the_rest_of_a_rejected_key_at_once() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let key = dir.write("key", "sk-old");
    let gateway = Gateway::start(&fb, &config(&sims, &key)).await;
    let reset = format!("{}/v1/circuits/primary/gpt-6.1-sol", gateway.admin().await);
    sims.primary.fault_next(1, Fault::status(401));
    let by = [gateway.post(CHAT).await, gateway.post(CHAT).await];
    assert_eq!(by.each_ref().map(served_by), ["backup/claude-sonnet-4-6"; 2]);

    dir.write("key", "sk-new");
    let body = json!({ "action": "reset", "reason": "new key" });
    let response = client().post(reset).bearer_auth("sk-test").body(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(served_by(&gateway.post(CHAT).await), "primary/gpt-6.1-sol");
    assert_eq!(keys(&sims.primary), ["Bearer sk-old", "Bearer sk-new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_names_a_model_concerns_only_that_model() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let config = format!(
        r#"{}
        [routes.default]
        [[routes.default.targets]]
        provider = "primary"
        model = "gpt-6.1-sol"
        [[routes.default.targets]]
        provider = "primary"
        model = "gpt-6.1-luna"
        "#,
        sims.providers()
    );
    let gateway = Gateway::start(&fb, &config).await;
    let body = json!({ "error": {
        "message": "key not allowed to access model. This key can only access models=['gpt-6.1-luna']. Tried to access gpt-6.1-sol",
        "type": "key_model_access_denied", "param": "model", "code": "401" } });
    sims.primary.fault_next(1, Fault::status(401).with_body(body.to_string()));
    let answered = gateway.post(CHAT).await;
    assert_eq!((answered.status, served_by(&answered)), (200, "primary/gpt-6.1-luna"));
    assert_eq!(gateway.post(CHAT).await.status, 200);
    assert_eq!(sims.primary.calls(), 3);
}

/// Returns a config like that of [`Sims::config`] with two keys of the provider `name`, in files, and the options of the
/// second.
fn two_keys(sims: &Sims, dir: &TempDir, name: &str, second: &str) -> String {
    let (one, two) = (dir.write("one", "sk-one"), dir.write("two", "sk-two"));
    let keys = format!(
        "api_keys = [{{ file = \"{}\" }}, {{ file = \"{}\"{second} }}]",
        one.display(),
        two.display()
    );
    let config = sims.config("");
    let at = config.find(&format!("[providers.{name}]")).unwrap();
    config[..at].to_owned() + &config[at..].replacen("api_key = { env = \"FB_TEST_KEY\" }", &keys, 1)
}

/// Returns the number of calls with each of the two keys.
fn used(sim: &Sim) -> [usize; 2] {
    let keys: Vec<String> = sim
        .requests()
        .iter()
        .filter(|request| request.method == "POST")
        .filter_map(|request| {
            let header = |name| request.header(name).map(str::to_owned);
            header("authorization").or_else(|| header("x-api-key"))
        })
        .collect();
    ["sk-one", "sk-two"].map(|key| keys.iter().filter(|used| used.ends_with(key)).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_of_a_key_moves_to_the_next_key_without_a_hop() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let gateway = Gateway::start(&fb, &(ADMIN.to_owned() + &two_keys(&sims, &dir, "primary", ""))).await;
    sims.primary.fault_key("sk-one", Fault::status(429).with_header("retry-after", "60"));
    let mut traces = String::new();
    for _ in 0..30 {
        let response = gateway.post(CHAT).await;
        assert_eq!((response.status, served_by(&response)), (200, "primary/gpt-6.1-sol"));
        traces.push_str(response.header("x-fb-trace"));
    }
    assert_eq!(used(&sims.primary), [1, 30], "one call met the limit");
    assert!(traces.contains("/one") && traces.contains("/two") && !traces.contains("sk-"), "{traces}");
    assert_eq!(sims.calls(), [31, 0, 0]);
    let admin = gateway.admin().await;
    let status = format!("{admin}/v1/health");
    let health = client().get(status).bearer_auth("sk-test").send().await.unwrap().text().await.unwrap();
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    let target = health["targets"].as_array().unwrap().iter().find(|row| row["keys"][0].is_object()).unwrap();
    assert_eq!((&target["available"], &target["keys"][1]["free_in_ms"]), (&json!(true), &json!(null)));
    assert!(target["keys"][0]["free_in_ms"].as_u64().is_some_and(|left| left > 30_000), "{target}");
    let metrics = format!("{admin}/metrics");
    let metrics = client().get(metrics).bearer_auth("sk-test").send().await.unwrap().text().await.unwrap();
    let limited =
        metrics.lines().find(|line| line.starts_with("fb_key_attempts_total") && line.contains("/one"));
    assert!(limited.is_some_and(|line| line.contains("rate_limited") && line.ends_with(" 1")), "{metrics}");

    // Once all keys rest, the target is passed by.
    sims.primary.fault_key("sk-two", Fault::status(429).with_header("retry-after", "60"));
    for _ in 0..5 {
        assert_eq!(served_by(&gateway.post(CHAT).await), "backup/claude-sonnet-4-6");
    }
    assert_eq!(used(&sims.primary), [1, 31]);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_and_what_the_limits_leave_steer_the_calls() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let gateway = Gateway::start(&fb, &two_keys(&sims, &dir, "primary", ", weight = 4")).await;
    for _ in 0..100 {
        gateway.post(CHAT).await;
    }
    let [one, two] = used(&sims.primary);
    assert!((5..=40).contains(&one) && one + two == 100, "{one} and {two}");

    // Almost nothing is left of the heavier key.
    let limits = |left| {
        [
            ("x-ratelimit-limit-tokens", "1000"),
            ("x-ratelimit-remaining-tokens", left),
            ("x-ratelimit-reset-tokens", "10m0s"),
        ]
    };
    sims.primary.answer_key("sk-two", limits("1"));
    sims.primary.answer_key("sk-one", limits("900"));
    for _ in 0..100 {
        gateway.post(CHAT).await;
    }
    let [before, after] = [two, used(&sims.primary)[1]];
    assert!(after - before <= 15, "{} calls with a key that is almost used up", after - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_nothing_left_rests_before_its_limit_is_met() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    let nothing = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m0s")];
    sims.primary.answer_key("sk-test", nothing);
    let mut by = Vec::new();
    for _ in 0..3 {
        by.push(served_by(&gateway.post(CHAT).await).to_owned());
    }
    assert_eq!(by, ["primary/gpt-6.1-sol", "backup/claude-sonnet-4-6", "backup/claude-sonnet-4-6"]);
    assert_eq!(sims.calls(), [1, 2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_anthropic_and_a_rejection_of_one_key_leave_the_other() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let config = two_keys(&sims, &dir, "backup", "");
    let gateway = Gateway::start(&fb, &config).await;
    let chat = CHAT.replace("default", "backup/claude-sonnet-4-6");
    let nothing = [
        ("anthropic-ratelimit-output-tokens-limit", "8000"),
        ("anthropic-ratelimit-output-tokens-remaining", "0"),
        ("anthropic-ratelimit-output-tokens-reset", "2099-01-01T00:00:00Z"),
    ];
    sims.backup.answer_key("sk-one", nothing);
    for _ in 0..20 {
        assert_eq!(gateway.post(chat.clone()).await.status, 200);
    }
    let [one, two] = used(&sims.backup);
    assert!(one <= 1 && one + two == 20, "{one} and {two}");

    let gateway = Gateway::start(&fb, &config).await;
    sims.reset();
    sims.backup.fault_key("sk-two", Fault::status(401));
    for _ in 0..20 {
        assert_eq!(gateway.post(chat.clone()).await.status, 200);
    }
    assert_eq!(used(&sims.backup), [20, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_names_the_keys_and_shows_no_secret() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let dir = TempDir::new();
    let check = async |keys: &str| {
        let routes = "[routes.default]\ntargets = [{ provider = \"a\", model = \"m\" }]\n";
        let config = format!("[providers.a]\nkind = \"openai\"\n{keys}\n{routes}");
        let mut command = tokio::process::Command::new(&fb);
        command.arg("check").arg(dir.write("fb.toml", &config)).env("KEY_A", "sk-a").env("KEY_B", "sk-b");
        let output = command.output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let both = r#"api_keys = [{ env = "KEY_A", weight = 2 }, { env = "KEY_B" }]"#;
    let shown = check(both).await;
    assert!(shown.contains("provider a: 2 keys: KEY_A, KEY_B") && !shown.contains("sk-"), "{shown}");
    for (keys, problem) in [
        (r#"api_keys = [{ env = "KEY_A" }, "sk-plain"]"#, "api_keys[1]: a string here"),
        (r#"api_keys = [{ env = "KEY_A" }, { env = "KEY_A" }]"#, "the same key as api_keys[0]"),
        (
            r#"api_keys = [{ env = "KEY_A", weight = 0 }]"#,
            "api_keys[0].weight = 0   expected a number above 0",
        ),
        (r#"api_keys = [{ env = "NO_KEY" }]"#, "NO_KEY is not set"),
    ] {
        let shown = check(keys).await;
        assert!(shown.contains(problem) && !shown.contains("sk-"), "{shown}");
    }
    let shown = check(&format!("api_key = {{ env = \"KEY_A\" }}\n{both}")).await;
    assert!(shown.contains("expected either api_key or api_keys"), "{shown}");
}
