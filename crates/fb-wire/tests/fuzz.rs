//! The properties of the fuzz targets, on random bytes and on documents with random edits.

#[path = "fuzz/properties.rs"]
mod properties;

use proptest::{collection::vec, prelude::*, sample::Index};

/// Documents that reach deep into the parsers. Edits turn them into almost valid ones.
const SEEDS: [&str; 6] = [
    "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n",
    "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\r\n\r\n: ping\r\n\r\n",
    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}],\"stream\":true,\"max_tokens\":10}",
    "{\"error\":{\"code\":429,\"message\":\"slow down\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"RetryInfo\",\"retryDelay\":\"3s\"}]}}",
    "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"hi\",\"tool_calls\":[]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"done\":true,\"prompt_eval_count\":1,\"eval_count\":2}\n",
];

/// Random bytes, or a document in which some bytes are replaced.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let edited = (0..SEEDS.len(), vec((any::<Index>(), any::<u8>()), 0..6)).prop_map(|(seed, edits)| {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..400), 3 => edited]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_bytes_keep_the_properties_of_every_target(bytes in bytes()) {
        properties::sse(&bytes);
        properties::answer(&bytes);
        properties::request(&bytes);
        properties::error(&bytes);
    }
}
