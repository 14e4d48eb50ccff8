//! The action `reset` of the admin API ends whatever keeps calls from a target.

use fb_sim::Fault;

use super::{request, two_targets};
use crate::harness::{ADMIN, Gateway, Sims, client, prepared};

async fn reset(admin: &str) {
    let url = format!("{admin}/v1/circuits/first/m");
    let reset = client().post(url).bearer_auth("sk-test").body(r#"{ "action": "reset" }"#);
    assert_eq!(reset.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_ends_ejection_the_unhealthy_mark_and_suspicion() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let by = |response: &crate::harness::HttpResponse| response.header("x-fb-served-by").to_owned();
    for health in
        ["errors = { limit = 2, recovery = \"10m\" }", "probe = { interval = \"100ms\", rise = 1000 }"]
    {
        sims.reset();
        let config = format!("{ADMIN}[health]\n{health}\npanic = {{ enter = 0.0, leave = 0.0 }}\n");
        let gateway = Gateway::start(&fb, &(config + &two_targets(&sims, "openai", "m", ""))).await;
        let admin = gateway.admin().await;
        sims.primary.fault(Fault::status(500));
        let mut trace = String::new();
        while !trace.contains("skipped: ejected") && !trace.contains("skipped: unhealthy") {
            let response = gateway.post(request("x")).await;
            assert_eq!(by(&response), "third/llama3.2");
            response.header("x-fb-trace").clone_into(&mut trace);
        }
        sims.primary.heal();
        assert_eq!(by(&gateway.post(request("x")).await), "third/llama3.2", "{health}");
        reset(&admin).await;
        assert_eq!(by(&gateway.post(request("x")).await), "first/m", "{health}");
    }

    sims.reset();
    let gateway = Gateway::start(&fb, &(ADMIN.to_owned() + &two_targets(&sims, "openai", "m", ""))).await;
    let admin = gateway.admin().await;
    sims.primary.fault(Fault::status(403).with_body("<html><body>Request blocked</body></html>"));
    for prompt in ["first", "second"] {
        gateway.post(request(prompt)).await;
    }
    reset(&admin).await;
    for prompt in ["third", "fourth"] {
        gateway.post(request(prompt)).await;
    }
    assert_eq!(sims.calls(), [4, 0, 4], "two of three distinct requests since the reset");
}
