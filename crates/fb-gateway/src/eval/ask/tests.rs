use fb::providers::ProviderConfig;
use fb_sim::{Dialect, Sim, SimReply};
use futures_util::{StreamExt, stream};

use super::*;

/// A simulated provider `a` and what is asked of it.
struct World {
    sim: Sim,
    config: Config,
}

impl World {
    async fn new(route: Route) -> Self {
        let sim = Sim::start(Dialect::OpenAi).await.unwrap();
        let base_url = Some(sim.base_url());
        let provider = ProviderConfig { base_url, ..ProviderConfig::with_key("openai", "sk-test") };
        let config = Config {
            providers: BTreeMap::from([("a".to_owned(), provider)]),
            routes: BTreeMap::from([("default".to_owned(), route)]),
            ..Config::default()
        };
        Self { sim, config }
    }

    fn bench(&self) -> Bench {
        Bench::new(&self.config, "default").unwrap()
    }
}

fn target(model: &str) -> Target {
    Target::new("a", model).max_retries(0)
}

fn route(targets: impl IntoIterator<Item = Target>) -> Route {
    Route::priority("default", targets)
}

fn case(line: &str) -> Case {
    Case::read(line, 1).unwrap()
}

#[tokio::test]
async fn a_target_that_takes_few_is_asked_one_after_the_other() {
    let world = World::new(route([target("m").max_in_flight(1)])).await;
    let slow = std::time::Duration::from_millis(50);
    world.sim.reply(SimReply { latency: slow, ..SimReply::default() });
    let (bench, case) = (world.bench(), case(r#"{"text":"hi"}"#));
    let mut asked = stream::iter(0..3).map(|_| bench.ask(0, &case)).buffer_unordered(3);
    for calls in 1..=3 {
        let outcome = asked.next().await.unwrap();
        assert_eq!((outcome.verdict, outcome.why), (Verdict::Pass, None));
        assert_eq!(world.sim.calls(), calls, "at most one at a time");
    }
}
