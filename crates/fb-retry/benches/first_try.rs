//! The cost of wrapping a call that succeeds at once, compared with other crates in the same run.

use std::{hint::black_box, path::Path, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use criterion::{Criterion, criterion_group};
use fb_retry::{RetryPolicy, retry};
use tokio_retry::{Retry, strategy::ExponentialBackoff};

const NAMES: [&str; 4] = ["bare", "fb-retry", "backon", "tokio-retry"];

async fn call() -> Result<u64, &'static str> {
    black_box(Ok(7))
}

fn first_try(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let mut group = criterion.benchmark_group("first_try");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    // Many calls per `block_on`, because entering the runtime costs more than a call.
    let policy = RetryPolicy::default();
    group.bench_function("bare", |bench| {
        bench.iter(|| {
            runtime.block_on(async {
                for _ in 0..1_000 {
                    let _result = black_box(call().await);
                }
            });
        });
    });
    group.bench_function("fb-retry", |bench| {
        bench.iter(|| {
            runtime.block_on(async {
                for _ in 0..1_000 {
                    let _result = black_box(retry(&policy, call).await);
                }
            });
        });
    });
    group.bench_function("backon", |bench| {
        bench.iter(|| {
            runtime.block_on(async {
                for _ in 0..1_000 {
                    let policy = ExponentialBuilder::default().with_jitter().with_max_times(2);
                    let _result = black_box(call.retry(policy).await);
                }
            });
        });
    });
    group.bench_function("tokio-retry", |bench| {
        bench.iter(|| {
            runtime.block_on(async {
                for _ in 0..1_000 {
                    let policy = ExponentialBackoff::from_millis(250).take(2);
                    let _result = black_box(Retry::start(policy, call).await);
                }
            });
        });
    });
    group.finish();
}

/// Prints the medians in nanoseconds per call, with the ratio to tokio-retry.
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/criterion/first_try");
    let median = |name: &str| -> Option<f64> {
        let text = std::fs::read_to_string(folder.join(name).join("new/estimates.json")).ok()?;
        let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
        estimates["median"]["point_estimate"].as_f64().map(|nanos| nanos / 1_000.0)
    };
    let Some(peer) = median("tokio-retry") else { return };
    println!("\n| first try succeeds | ns a call | × tokio-retry |\n|---|---|---|");
    for name in NAMES {
        if let Some(nanos) = median(name) {
            println!("| {name} | {nanos:.1} | {:.2} |", nanos / peer);
        }
    }
}

criterion_group!(benches, first_try);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    table();
}
