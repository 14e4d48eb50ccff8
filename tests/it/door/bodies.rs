//! The memory that request bodies take.

use futures_util::future::join_all;

use crate::harness::{CHAT, Gateway, Sims, prepared};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_takes_memory_in_proportion_to_its_bytes() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config("")).await;
    assert_eq!(gateway.post(CHAT).await.status, 200);
    let (before, size) = (gateway.peak_memory(), 20 << 20);
    let fields = size / 5;
    let body = format!("{{{}{}", "\"\":0,".repeat(fields), &CHAT[1..]);
    for refused in join_all((0..4).map(|_| gateway.post(body.clone()))).await {
        let message = format!("the body has {} top-level fields; expected at most 512", fields + 2);
        assert_eq!((refused.status, refused.json()["error"]["message"].as_str()), (400, Some(&*message)));
    }
    let used = gateway.peak_memory() - before;
    assert!(used < 4 * size * 2, "{used} bytes for four bodies of {size}");
    assert_eq!(sims.calls(), [1, 0, 0]);

    // As many fields as are allowed.
    for (more, status) in [(510, 200), (511, 400)] {
        let body = format!("{{{}{}", "\"\":0,".repeat(more), &CHAT[1..]);
        let answer = gateway.post(body).await;
        assert_eq!(answer.status, status, "{more}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_on_tokens_do_not_multiply_the_memory_of_a_request() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let limit = "[tenants.default]\ntokens_per_minute = 1000000000\n";
    // A model without a known context, for which the messages would have to be counted.
    let route = "[[routes.default.targets]]\nprovider = \"primary\"\nmodel = \"m\"\ntimeout = \"30s\"\n";
    let gateway = Gateway::start(&fb, &format!("{limit}{}{route}", sims.providers())).await;
    assert_eq!(gateway.post(CHAT).await.status, 200);
    let message = r#"{"role":"user","content":"ab"},"#;
    let size = 8 << 20;
    let body = CHAT.replace("[{", &format!("[{}{{", message.repeat(size / message.len())));
    let before = gateway.peak_memory();
    for answer in join_all((0..4).map(|_| gateway.post(body.clone()))).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let used = gateway.peak_memory() - before;
    println!("{} bytes for each byte of four bodies", used / (4 * size));
    assert!(used < 4 * size * 4, "{used} bytes for four bodies of {size}");
}
