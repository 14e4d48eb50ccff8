//! The official Ollama client against the simulator, which shows that the simulated dialect is the real one.

use expect_test::expect;
use fb_sim::{Dialect, Sim};

use crate::{harness::prepared, python};

#[tokio::test(flavor = "multi_thread")]
async fn official_client_chats_and_streams_with_the_simulator() {
    let Some(python) = prepared("FB_PYTHON") else { return };
    let sim = Sim::start(Dialect::Ollama).await.unwrap();
    let result = python::run(&python, "ollama_client.py", &sim.base_url()).await;
    expect![[r#"
        {
          "done": [
            true,
            "stop"
          ],
          "last": [
            true,
            "stop",
            true
          ],
          "models": true,
          "pieces": true,
          "plain": "Hello from ollama.",
          "shaped": [
            "answer"
          ],
          "streamed": "Hello from ollama.",
          "tool": [
            [
              "weather",
              [
                "city"
              ]
            ]
          ]
        }"#]]
    .assert_eq(&format!("{result:#}"));
    assert_eq!(sim.calls(), 4);
}
