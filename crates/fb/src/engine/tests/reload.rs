//! Another config while requests are served: what keeps its identity keeps its state.

use tokio::time::sleep;

use super::*;
use crate::{Config, SuccessCounts};

/// The text of a config of these providers, in the order of its route, with further tables.
fn text(providers: &[&str], more: &str) -> String {
    let mut text = String::new();
    for name in providers {
        writeln!(text, "[providers.{name}]\nkind = \"ollama\"").unwrap();
    }
    writeln!(text, "[routes.default]\naliases = [\"usual\"]").unwrap();
    for name in providers {
        writeln!(text, "[[routes.default.targets]]\nprovider = \"{name}\"\nmodel = \"m\"\nmax_retries = 0")
            .unwrap();
        writeln!(text, "price = {{ input = 1000.0, output = 1000.0 }}").unwrap();
    }
    text + more
}

fn config(providers: &[&str], more: &str) -> Config {
    Config::from_toml(&text(providers, more)).unwrap()
}

/// Builds a client of a config with the providers of a script.
fn configured(script: &Script, config: &Config) -> Client {
    let builder = Client::builder().seed(7).config_without_providers(config);
    let providers = script.providers().into_iter();
    providers.fold(builder, |builder, (name, provider)| builder.provider(name, provider)).build().unwrap()
}

fn of_acme(max_tokens: u32) -> ChatRequest {
    let chat =
        fb_core::Chat { max_tokens: Some(max_tokens), ..ChatRequest::user("hi").chat().unwrap().clone() };
    let options = Options { tenant: Some("acme".into()), ..Options::default() };
    ChatRequest::from_chat("default", chat).with_options(options)
}

#[tokio::test(start_paused = true)]
async fn what_keeps_its_identity_keeps_its_state() {
    let script = script("a: 503 / b: 200 in 1s");
    let cached = "[routes.default.cache]\nfresh = \"1h\"\nany_temperature = true\n";
    let tenant = |usd: &str| format!("{cached}[tenants.acme]\nusd_per_day = {usd}\n");
    let client = configured(&script, &config(&["a", "b"], &tenant("0.1")));
    for length in 1..=7 {
        client.chat(of_acme(length)).await.unwrap();
    }
    let state = |client: &Client| {
        let breakers: Vec<_> = client
            .breakers()
            .iter()
            .map(|(id, breaker)| format!("{id} {:?}", breaker.state(crate::clock::now())))
            .collect();
        let used: Vec<_> =
            client.tenants().iter().map(|(name, used, _)| (name.clone(), used.total_nanos)).collect();
        (breakers, used, client.stats(), client.quality(), client.traces(9).len())
    };
    assert_eq!(client.chat(of_acme(8)).await.unwrap_err().status(), 402);
    let before = state(&client);

    // Another order of the targets, another limit, other settings of retries and health.
    let more = "[retry]\nbase = \"2s\"\n[retry_budget]\nburst = 9\n[health.probe]\ninterval = \"1m\"\n[traces]\nkeep = 3\n";
    client.reload(&config(&["b", "a"], &(tenant("9.0") + more))).unwrap();
    let after = state(&client);
    assert_eq!((&after.0, &after.1, &after.3), (&before.0, &before.1, &before.3));
    let kept = |stats: &crate::Stats| -> Vec<_> {
        stats
            .targets
            .values()
            .map(|target| (target.calls, target.successes, target.failures.clone()))
            .collect()
    };
    assert_eq!(kept(&after.2), kept(&before.2));
    assert_eq!(client.chat(of_acme(1)).await.unwrap().served_by(), "cache");
    assert_eq!(client.chat(of_acme(8)).await.unwrap().trace().rows().len(), 1, "b is the first target");
    assert_eq!(client.traces(9).len(), 3);

    // Without the tenant, its requests belong to `default`, which has no limits.
    client.reload(&config(&["b"], cached)).unwrap();
    assert_eq!(client.tenants().iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["default"]);
    client.chat(of_acme(9)).await.unwrap();
    assert_eq!(client.stats().targets.keys().map(ToString::to_string).collect::<Vec<_>>(), ["b/m"]);
    assert_eq!(client.outstanding_permits(), 0);
}

#[tokio::test(start_paused = true)]
async fn request_in_flight_ends_with_the_config_that_it_began_with() {
    let script = script("a: 503 in 1s / b: 200 in 1s");
    let limits = "[tenants.acme]\nusd_per_day = 9.0\n";
    let client = configured(&script, &config(&["a", "b"], limits));
    let reload = async {
        sleep(Duration::from_millis(500)).await;
        client.reload(&config(&["a"], "")).unwrap();
        client.tenants()
    };
    let (answer, tenants) = tokio::join!(client.chat(of_acme(5)), reload);
    assert_eq!((answer.unwrap().served_by().as_str(), tenants.len()), ("b/m", 1));
    assert_eq!(client.outstanding_permits(), 0);
    assert_eq!(client.stats().per_request, SuccessCounts { total: 1, by_primary: 0, by_fallback: 1 });
}

#[tokio::test(start_paused = true)]
async fn providers_are_built_again_only_if_their_connection_changed() {
    let client = Client::builder().config(&config(&["a", "b"], "")).unwrap().build().unwrap();
    let providers =
        |client: &Client| ["a", "b"].map(|name| client.engine.directory().provider(name).unwrap());
    let before = providers(&client);
    let is_kept = |client: &Client| {
        let after = providers(client);
        [0, 1].map(|index| Arc::ptr_eq(&before[index], &after[index]))
    };
    let settings = text(&["a", "b"], "")
        .replace("[providers.b]", "[providers.b]\nmodels = [\"bare\"]\nbreaker = { consecutive = 9 }");
    client.reload(&Config::from_toml(&settings).unwrap()).unwrap();
    assert_eq!(is_kept(&client), [true, true]);
    assert!(client.models().contains(&"b/bare".to_owned()), "{:?}", client.models());
    let moved = settings.replace("[providers.a]", "[providers.a]\nbase_url = \"http://127.0.0.1:1\"");
    client.reload(&Config::from_toml(&moved).unwrap()).unwrap();
    assert_eq!(is_kept(&client), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn parts_that_the_program_added_stay() {
    let script = script("own: 200 / a: 200");
    let own = Route::priority("own", [Target::new("own", "m")]);
    let limits = fb_budget::Limits::with(|limits| limits.usd_per_day = Some(1.0));
    let builder = Client::builder().config(&config(&["a"], "[tenants.acme]\n")).unwrap();
    let builder = builder.provider("own", script.provider("own")).route(own).tenant("gold", limits);
    let client = builder.build().unwrap();
    client.add_provider("a", script.provider("a")).unwrap();
    client.reload(&config(&["a", "b"], "[tenants.beta]\n")).unwrap();
    assert_eq!(
        (client.providers(), client.routes()),
        (["a", "b", "own"].map(str::to_owned).to_vec(), ["default", "own"].map(str::to_owned).to_vec())
    );
    let tenants: Vec<_> = client.tenants().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(tenants, ["beta", "default", "gold"]);
    assert_eq!(client.chat(named("usual")).await.unwrap().served_by(), "a/m", "the provider of the program");
    assert_eq!(client.chat(named("own")).await.unwrap().served_by(), "own/m");
    client.reload(&config(&["b"], "")).unwrap();
    assert_eq!(client.providers(), ["a", "b", "own"]);
}

#[tokio::test(start_paused = true)]
async fn config_that_is_refused_changes_nothing() {
    let script = script("a: 200 / b: 200");
    let client = configured(&script, &config(&["a", "b"], ""));
    let names = |client: &Client| (client.models(), client.routes(), client.providers());
    let before = names(&client);
    let wrong = text(
        &["b"],
        "[cache]\nmax_bytes = 4096\n[ledger]\npath = \"spend.redb\"\n[breaker]\nconsecutive = 0\n",
    )
    .replace("provider = \"b\"", "provider = \"c\"");
    let error = client.reload(&Config::from_toml(&wrong).unwrap()).unwrap_err();
    expect![[r#"
        breaker.consecutive = 0: expected at least 1
        cache.max_entry_bytes = 1048576: expected at least 1, at most `max_bytes` and 2 GiB
        routes.default.targets[0].provider = "c": no such provider
        did you mean "b"?
        cache = (settings): expected that of the client, which is fixed: build another one
        ledger = (settings): expected that of the client, which is fixed: build another one"#]]
    .assert_eq(&error.to_string().replace("; ", "\n"));
    assert_eq!(names(&client), before);
}
