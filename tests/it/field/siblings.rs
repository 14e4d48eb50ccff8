//! Models of one provider: the failures of one leave the others alone, and an unreachable host is left with all of them.

use fb_sim::Fault;
use serde_json::Value;

use super::request;
use crate::harness::{ADMIN, Gateway, Sims, client, prepared};

/// Returns a config with three models of the primary as the targets of the route, followed by `more`.
fn three_models(sims: &Sims, more: &str) -> String {
    let targets = ["a", "b", "c"].map(|model| {
        format!("[[routes.default.targets]]\nprovider = \"primary\"\nmodel = \"{model}\"\nmax_retries = 0\n")
    });
    format!("{ADMIN}{}{}{more}", sims.providers(), targets.concat())
}

const LAST: &str = "[[routes.default.targets]]\nprovider = \"third\"\nmodel = \"llama3.2\"\n";

/// Returns the circuit of the primary as a whole.
async fn primary_circuit(admin: &str) -> Value {
    let response = client().get(format!("{admin}/v1/circuits")).bearer_auth("sk-test").send().await.unwrap();
    let circuits: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let providers = circuits["providers"].as_array().unwrap();
    providers.iter().find(|circuit| circuit["provider"] == "primary").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_model_answers_whatever_its_siblings_do() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    // A rate limit weighs less, so that its target goes on to be called.
    for (first, second, most) in [
        (Fault::status(500), Fault::status(503), 75),
        (Fault::status(503), Fault::status(429), 100),
        (Fault::Html, Fault::status(529), 75),
    ] {
        sims.reset();
        let gateway = Gateway::start(&fb, &three_models(&sims, "")).await;
        sims.primary.fault_model("a", first);
        sims.primary.fault_model("b", second);
        let mut served = 0;
        for _ in 0..40 {
            let response = gateway.post(request("x")).await;
            let is_third = response.header("x-fb-served-by") == "primary/c";
            served += u32::from(response.status == 200 && is_third);
        }
        assert_eq!(served, 40);
        assert!(sims.primary.calls() < most, "the breakers of the others opened: {}", sims.primary.calls());
        assert_eq!(primary_circuit(&gateway.admin().await).await["state"], "closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_provider_is_left_with_all_its_models() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    // No model fails often enough by itself.
    let gateway = Gateway::start(&fb, &three_models(&sims, LAST)).await;
    sims.primary.fault(Fault::Refuse);
    let first = gateway.post(request("x")).await;
    assert_eq!(first.header("x-fb-trace").matches("connect").count(), 3, "{}", first.header("x-fb-trace"));
    let second = gateway.post(request("x")).await;
    let trace = second.header("x-fb-trace");
    assert_eq!((trace.matches("connect").count(), second.status), (2, 200), "five failures in all: {trace}");
    let later = gateway.post(request("x")).await;
    let trace = later.header("x-fb-trace");
    assert_eq!(trace.matches("provider's breaker open").count(), 3, "{trace}");
    assert_eq!((later.status, later.header("x-fb-served-by")), (200, "third/llama3.2"), "{trace}");
    let admin = gateway.admin().await;
    assert_eq!(primary_circuit(&admin).await["state"], "open");

    let reset = format!("{admin}/v1/circuits/primary/b");
    let reset = client().post(reset).bearer_auth("sk-test").body(r#"{ "action": "reset" }"#);
    assert!(reset.send().await.unwrap().status().is_success());
    sims.primary.heal();
    let back = gateway.post(request("x")).await;
    assert_eq!(back.header("x-fb-served-by"), "primary/a", "{}", back.header("x-fb-trace"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_shares_failures_is_left_after_those_of_one_model() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let shared = three_models(&sims, LAST).replacen(
        "[providers.primary]\n",
        "[providers.primary]\nbreaker = { shared = true }\n",
        1,
    );
    let gateway = Gateway::start(&fb, &shared).await;
    sims.primary.fault_model("a", Fault::status(500));
    sims.primary.fault_model("b", Fault::status(500));
    sims.primary.fault_model("c", Fault::status(500));
    for _ in 0..4 {
        assert_eq!(gateway.post(request("x")).await.header("x-fb-served-by"), "third/llama3.2");
    }
    assert_eq!(sims.primary.calls(), 5);
}
