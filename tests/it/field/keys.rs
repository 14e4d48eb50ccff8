//! Rejected API keys.

use std::time::Duration;

use fb_sim::{Fault, Sim, SimReply};
use serde_json::json;
use tokio::time::timeout;

use crate::harness::{CHAT, Gateway, HttpResponse, Sims, TempDir, client, prepared};

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
