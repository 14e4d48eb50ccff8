//! The degraded mode (row 13) and the resilient client (row 14).

use std::time::Duration;

use fb::{
    ChatRequest, Client, Error, LadderConfig, Level, OfflineConfig, Options, Route, RouteCache, Target,
};

use crate::brief::scripted;

/// Builds a client with one provider, which answers once and is then down.
fn client() -> Client {
    let (_, builder) = scripted("openai: 200(\"Paris.\"), 503");
    let offline = OfflineConfig::with(|config| {
        "We are unable to answer now.".clone_into(&mut config.general);
        "The search is down.".clone_into(&mut config.search);
        "Please call us.".clone_into(&mut config.support);
    });
    let cache = RouteCache::with(|cache| cache.stale_if_error = Some(Duration::from_secs(86_400)));
    let route = Route::priority("default", [Target::new("openai", "gpt-4.1").max_retries(0)])
        .cache(cache)
        .ladder(LadderConfig::with(|config| config.offline = Some(offline)));
    builder.route(route).build().unwrap()
}

/// The call of the resilient client: the response, the provider or "degraded", and whether it is degraded.
async fn chat(
    client: &Client,
    text: &str,
    category: Option<&str>,
    allow_degraded: bool,
) -> Result<(String, String, bool), Error> {
    let category = category.map(str::to_owned);
    let options = Options { category, refuse_degraded: !allow_degraded, ..Options::default() };
    let answer = client.chat(ChatRequest::user(text).with_options(options)).await?;
    let is_degraded = answer.level() > Level::Full;
    let provider = if is_degraded { "degraded".to_owned() } else { answer.served_by() };
    Ok((answer.text().to_owned(), provider, is_degraded))
}

#[tokio::test(start_paused = true)]
async fn last_good_answer_of_the_query_or_a_fixed_text_by_category() {
    let client = client();
    let capital = "What is the capital of France?";
    let mut seen = Vec::new();
    for (text, category) in [
        (capital, None),
        (capital, Some("search")),
        ("Where is my order?", None),
        ("Where is my order?", Some("general")),
        ("Where is my order?", Some("search")),
        ("Where is my order?", Some("support")),
        ("Where is my order?", Some("unheard of")),
    ] {
        seen.push(chat(&client, text, category, true).await.unwrap());
    }
    let degraded = |text: &str| (text.to_owned(), "degraded".to_owned(), true);
    let general = degraded("We are unable to answer now.");
    let expected = [
        ("Paris.".to_owned(), "openai/gpt-4.1".to_owned(), false),
        degraded("Paris."),
        general.clone(),
        general.clone(),
        degraded("The search is down."),
        degraded("Please call us."),
        general,
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn without_allow_degraded_the_error_is_returned() {
    let client = client();
    let capital = "What is the capital of France?";
    assert!(!chat(&client, capital, None, false).await.unwrap().2);
    let error = chat(&client, capital, None, false).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (502, "upstream_error"));
    assert!(chat(&client, capital, None, true).await.unwrap().2);
}
