//! The limits of a tenant in the headers of its answers.

use crate::harness::{CHAT, Gateway, HttpResponse, Sims, client, prepared};

/// Requests that cannot be used up, and a key with 3 requests per minute.
const LIMITS: &str = "[tenants.default]
anonymous = true
[tenants.acme]
requests_per_minute = 1000
tokens_per_minute = 100000
[tenants.acme.keys.ci]
key = { env = \"FB_TEST_KEY\" }
requests_per_minute = 3
";

/// Returns the values of the headers of requests or tokens: the limit, what is left, and the seconds to its reset.
fn limits(answer: &HttpResponse, of: &str) -> (u64, u64, f64) {
    let value = |name: &str| answer.header(&format!("x-ratelimit-{name}-{of}")).to_owned();
    let number = |name: &str| value(name).parse().unwrap_or_else(|_| panic!("{name}: {answer:?}"));
    let reset = value("reset");
    let (minutes, seconds) = reset.trim_end_matches('s').split_once('m').unwrap_or(("0", &reset));
    let seconds: f64 = seconds.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("{reset}"));
    (number("limit"), number("remaining"), minutes.parse::<f64>().unwrap() * 60.0 + seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_what_is_left_of_the_limits() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    let gateway = Gateway::start(&fb, &sims.config(LIMITS)).await;
    let providers = ["limit", "remaining", "reset"].map(|name| format!("x-ratelimit-{name}-requests"));
    let [limit, remaining, reset] = &providers;
    sims.primary.answer_key("sk-test", [(limit, "7777"), (remaining, "7776"), (reset, "9m0s")]);
    let stream = CHAT.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let send = async |body: String| gateway.post_with("authorization", "Bearer sk-test", body).await;
    for (body, left, reset) in [(CHAT.to_owned(), 2, 20.0), (stream, 1, 40.0)] {
        let answer = send(body).await;
        assert_eq!((answer.status, answer.header("x-fb-served-by")), (200, "primary/gpt-6.1-sol"));
        let (limit, remaining, resets) = limits(&answer, "requests");
        assert_eq!((limit, remaining), (3, left), "those of the key, of which less is left");
        assert!((reset - 5.0..=reset).contains(&resets), "{resets}");
        let (limit, remaining, resets) = limits(&answer, "tokens");
        assert!(
            limit == 100_000 && (90_000..100_000).contains(&remaining),
            "those of the tenant: {remaining}"
        );
        assert!((55.0..=65.0).contains(&resets), "{resets}");
    }
    assert_eq!(send(CHAT.to_owned()).await.status, 200);
    let refused = send(CHAT.to_owned()).await;
    let (limit, remaining, resets) = limits(&refused, "requests");
    assert_eq!((refused.status, limit, remaining), (429, 3, 0));
    assert!((50.0..=60.0).contains(&resets), "{resets}");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((10..=20).contains(&wait), "until the next request: {wait}");

    let url = format!("{}/completions", gateway.url);
    let sent = client().post(url).bearer_auth("sk-test").body(CHAT).send().await.unwrap();
    assert_eq!(
        (sent.status().as_u16(), sent.headers().get("x-ratelimit-limit-requests").is_some()),
        (429, true)
    );

    let unlimited = gateway.post(CHAT).await;
    let of_limits =
        |answer: &HttpResponse| answer.headers.keys().any(|name| name.as_str().contains("ratelimit"));
    assert_eq!((unlimited.status, of_limits(&unlimited)), (200, false), "neither its own nor the provider's");
}
