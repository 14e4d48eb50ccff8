//! The cost of health per call, one eligibility check before and one record after it, compared with two empty locks.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group};
use fb_health::{Fleet, HealthConfig};
use parking_lot::Mutex;
use tokio::time::Instant;

const NAMES: [&str; 4] = ["two empty locks", "of 3 targets", "of 64 targets", "status of one"];

fn call(criterion: &mut Criterion) {
    let now = Instant::now().into_std();
    let mut group = criterion.benchmark_group("call");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let (one, other) = (Mutex::new(0_u64), Mutex::new(0_u64));
    group.bench_function("two empty locks", |bench| {
        bench.iter(|| {
            *one.lock() += 1;
            *other.lock() += 1;
        });
    });
    for targets in [3, 64] {
        let Ok(fleet) = Fleet::new(HealthConfig::default()) else { return };
        let members: Vec<_> =
            (0..targets).map(|n| fleet.join(&format!("t{n}"), "endpoint", "peers", now)).collect();
        let Some(member) = members.first() else { return };
        let mut at = now;
        group.bench_function(format!("of {targets} targets"), |bench| {
            bench.iter(|| {
                at += Duration::from_micros(100);
                let usable = black_box(member.own_eligibility(at)).is_usable();
                member.record_success(Duration::from_millis(300), at);
                usable
            });
        });
        if targets == 64 {
            group.bench_function("status of one", |bench| bench.iter(|| black_box(member.status(at))));
        }
    }
    group.finish();
}

/// Prints the medians of the run in nanoseconds, and as multiples of two empty locks.
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn table() -> Option<()> {
    let program = std::env::current_exe().ok()?;
    let folder = program.ancestors().nth(3)?.join("criterion/call");
    let median = |name: &str| -> Option<f64> {
        let text = std::fs::read_to_string(folder.join(name).join("new/estimates.json")).ok()?;
        let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    };
    let floor = median(NAMES[0])?;
    println!("\n| check and record of one call | ns | × two empty locks |\n|---|---|---|");
    for name in NAMES {
        if let Some(nanos) = median(name) {
            println!("| {name} | {nanos:.1} | {:.2} |", nanos / floor);
        }
    }
    Some(())
}

criterion_group!(benches, call);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // There is no table without measurements, as under `cargo test`.
    let _printed = table();
}
