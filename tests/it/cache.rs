//! The cache over HTTP: request and response headers, statistics and purging.

use serde_json::{Value, json};

use crate::harness::{Gateway, Sims, client, operator, prepared};

const TOKEN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"FB_TEST_KEY\" }\n";
const KEEP: &str = "[routes.default.cache]\nfresh = true\nstale_if_error = true\n";

fn chat(more: &str) -> String {
    format!(r#"{{"model":"default","messages":[{{"role":"user","content":"hi"}}],"temperature":0{more}}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_hit_repeats_the_first_answer_byte_for_byte() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config(KEEP)).await;
    let first = gateway.post(chat("")).await;
    assert_eq!((first.header("x-fb-cache"), first.header("x-fb-served-by")), ("miss", "primary/gpt-6.1-sol"));
    for same in [
        chat(""),
        chat(r#","user":"u-1","metadata":{"a":"b"}"#),
        r#"{"temperature":0.0,"messages":[{"content":"\u0068i","role":"user"}],"model":"gpt-4o"}"#.to_owned(),
    ] {
        let hit = gateway.post(same).await;
        assert_eq!((hit.status, &hit.body), (200, &first.body));
        assert!(hit.header("x-fb-cache").starts_with("hit; age="), "{:?}", hit.headers);
        assert!(hit.header("x-fb-cache").ends_with(r#"; by="primary/gpt-6.1-sol""#));
        assert_eq!((hit.header("x-fb-served-by"), hit.header("x-fb-attempts")), ("cache", "0"));
    }
    let streamed = gateway.post(chat(r#","stream":true"#)).await;
    assert!(streamed.header("x-fb-cache").starts_with("hit; "), "{:?}", streamed.headers);
    assert!(streamed.body.contains("Hello from openai.") && streamed.body.ends_with("data: [DONE]\n\n"));
    assert_eq!(sims.calls(), [1, 0, 0]);
    for other in
        [r#","seed":1"#, r#","max_tokens":9"#, r#","temperature":0,"top_p":0.5"#, r#","unknown_field":null"#]
    {
        gateway.post(chat(other)).await;
    }
    assert_eq!(sims.calls(), [5, 0, 0], "each of these can have another answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_control_bypasses_the_cache_and_operators_purge_it() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &format!("{TOKEN}{}", sims.config(KEEP))).await;
    let admin = gateway.admin().await;
    let used = async |control: &str| {
        let response = gateway.post_with("cache-control", control, chat("")).await;
        let used = response.header("x-fb-cache").split(';').next().unwrap().to_owned();
        (used, sims.primary.calls())
    };
    let seen = [
        used("no-store").await,
        used("").await,
        used("max-age=0, No-Cache").await,
        used("no-store").await,
        used("private").await,
    ];
    let expected = [("", 1), ("miss", 2), ("", 3), ("", 4), ("hit", 4)];
    assert_eq!(seen, expected.map(|(word, calls)| (word.to_owned(), calls)));

    let purge = async |token: &str, body: Value| {
        let request =
            client().post(format!("{admin}/v1/cache/purge")).bearer_auth(token).body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    assert_eq!(purge("sk-tesT", json!({})).await.0, 401);
    let (status, refused) = purge("sk-test", json!({ "routes": "default" })).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(status == 400 && message.contains("unknown field `routes`"), "{message}");
    let purged = async |body| purge("sk-test", body).await.1["purged"].clone();
    assert_eq!(purged(json!({ "route": "other" })).await, 0);
    assert_eq!(purged(json!({ "older_than": "1h" })).await, 0);
    assert_eq!(
        purged(
            json!({ "tenant": "default", "route": "default", "provider": "primary", "younger_than": "1h" })
        )
        .await,
        1
    );
    assert_eq!(used("").await, ("miss".to_owned(), 5));
    let stats = operator().get(format!("{admin}/v1/cache")).send().await.unwrap().text().await.unwrap();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    let counted = ["hits", "stored", "purged", "entries"].map(|name| stats[name].as_u64().unwrap());
    assert_eq!(counted, [1, 3, 1, 1], "{stats}");
}
