use fb_core::ChatRequest;
use fb_sim::{Dialect, Fault};
use futures_util::StreamExt;

use super::{call, provider_of, sim, stream, with_timeout};

#[tokio::test]
async fn dropping_a_call_or_stream_ends_the_upstream_request() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama] {
        let sim = sim(dialect).await;
        let provider = provider_of(&sim);
        let request = ChatRequest::user("hi");

        sim.fault(Fault::StallHeaders);
        tokio::select! {
            biased;
            _ = provider.chat(call(&request)) => panic!("an answer"),
            _ = with_timeout(sim.wait_until(|counters| counters.open == 1)) => {}
        }
        with_timeout(sim.wait_until(|counters| counters.open == 0)).await;

        sim.fault(Fault::StallMid { after_events: 2 });
        let mut streaming = stream(&*provider, &request).await.unwrap();
        with_timeout(streaming.frames.next()).await.unwrap().unwrap();
        assert_eq!(sim.open(), 1, "{dialect}");
        drop(streaming);
        with_timeout(sim.wait_until(|counters| counters.open == 0)).await;
        assert_eq!(sim.counters().client_left, 2, "{dialect}");
    }
}

#[tokio::test]
async fn completed_stream_returns_its_connection() {
    let sim = sim(Dialect::OpenAi).await;
    let provider = provider_of(&sim);
    let request = ChatRequest::user("hi");
    for _ in 0..2 {
        let mut frames = stream(&*provider, &request).await.unwrap().frames;
        while let Some(frame) = with_timeout(frames.next()).await {
            frame.unwrap();
        }
    }
    assert_eq!((sim.calls(), sim.open()), (2, 0));
}
