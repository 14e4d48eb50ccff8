//! Measures the cost of a check against the bare libraries, `serde_json` and `jsonschema`, in the same run.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group};
use fb_core::{Chat, Format, Json, Reply, Schema};
use fb_quality::{Gates, QualityConfig};
use serde_json::{Value, json};

fn schema() -> Value {
    let item = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "price": {"type": "number", "minimum": 0},
            "colour": {"enum": ["red", "green", "blue"]},
        },
        "required": ["name", "price", "colour"],
        "additionalProperties": false,
    });
    json!({"type": "object", "properties": {"items": {"type": "array", "items": item}}, "required": ["items"]})
}

/// About 1 KB of JSON.
fn answer() -> String {
    let item = |n: usize| json!({"name": format!("article number {n}"), "price": n, "colour": "green"});
    json!({"items": (0..17).map(item).collect::<Vec<_>>()}).to_string()
}

fn chat() -> Option<Chat> {
    let schema = Json::print(&schema()).ok()?;
    let schema = Schema { name: "items".to_owned(), description: None, schema, strict: None };
    Some(Chat { format: Format::JsonSchema(schema), ..Chat::default() })
}

fn gates(config: QualityConfig) -> Option<Gates> {
    Gates::new(config, Vec::new()).ok()
}

fn schema_only() -> Option<Gates> {
    gates(QualityConfig::with(|config| config.schema = true))
}

fn every_gate() -> Option<Gates> {
    gates(QualityConfig::with(|config| {
        config.schema = true;
        config.tools = true;
        config.empty = true;
        config.truncated = true;
        config.repetition = true;
        config.min_chars = Some(1);
    }))
}

fn bare(validator: &jsonschema::Validator, text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|value: Value| validator.is_valid(&value))
}

fn check(criterion: &mut Criterion) {
    let (Some(chat), Some(gates), Some(every)) = (chat(), schema_only(), every_gate()) else { return };
    let Ok(validator) = jsonschema::validator_for(&schema()) else { return };
    let reply = Reply { text: answer(), ..Reply::default() };
    let mut group = criterion.benchmark_group(format!("an answer of {} bytes", reply.text.len()));
    group.bench_function("bare", |bencher| bencher.iter(|| bare(&validator, black_box(&reply.text))));
    group.bench_function("schema", |bencher| bencher.iter(|| gates.check(&chat, black_box(&reply))));
    group.bench_function("every gate", |bencher| bencher.iter(|| every.check(&chat, black_box(&reply))));
    group.finish();
}

/// Number of rounds. Both sides alternate, so that a busy machine slows both.
const ROUNDS: usize = 51;
const CALLS: u32 = 2_000;

#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark measures time and prints it"
)]
fn compare() {
    let (Some(chat), Some(gates), Some(every)) = (chat(), schema_only(), every_gate()) else { return };
    let Ok(validator) = jsonschema::validator_for(&schema()) else { return };
    let reply = Reply { text: answer(), ..Reply::default() };
    assert!(bare(&validator, &reply.text) && every.check(&chat, &reply).is_ok(), "the answer is good");
    let time = |call: &dyn Fn() -> bool| {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        start.elapsed() / CALLS
    };
    let middle = |mut rounds: Vec<f64>| {
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    };
    let ratio = |time: Duration, of: Duration| time.as_secs_f64() / of.as_secs_f64();
    let (mut bares, mut schemas, mut everies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = time(&|| bare(&validator, black_box(&reply.text)));
        bares.push(alone.as_secs_f64() * 1e6);
        schemas.push(ratio(time(&|| gates.check(&chat, black_box(&reply)).is_ok()), alone));
        everies.push(ratio(time(&|| every.check(&chat, black_box(&reply)).is_ok()), alone));
    }
    println!(
        "bare {:.2} us; gate schema {:.2} times, every gate {:.2} times (medians of {ROUNDS} rounds)",
        middle(bares),
        middle(schemas),
        middle(everies)
    );
}

criterion_group!(benches, check);

fn main() {
    compare();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
