//! The cost of reserving and settling one call on one thread, compared with two lower bounds: two locks, and one atomic
//! addition. Time is an argument.

use std::{
    collections::BTreeMap,
    hint::black_box,
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant, SystemTime},
};

use criterion::{Criterion, criterion_group};
use fb_budget::{Account, Amount, Book, LedgerConfig, Limits, Moment};
use fb_core::{Money, TargetId};
use parking_lot::Mutex;

const GROUP: &str = "reserve_and_settle";
const NAMES: [&str; 7] = [
    "two locks",
    "one atomic addition",
    "no limits",
    "money per day and month",
    "money, tokens and requests",
    "the same, ledger, within what is ahead",
    "the same, ledger, each call waits for a commit",
];
/// A small call, so that one quantum covers many.
const CALL: Amount = Amount { cost: Money::from_nanos(1_000), tokens: 10 };

fn limits(limits: Limits) -> BTreeMap<String, Limits> {
    BTreeMap::from([("acme".to_owned(), limits)])
}

fn all() -> Limits {
    let mut value = money();
    value.requests_per_minute = Some(u32::MAX);
    value.tokens_per_minute = Some(1 << 60);
    value
}

fn money() -> Limits {
    Limits::with(|limits| {
        limits.usd_per_day = Some(1e9);
        limits.usd_per_month = Some(1e9);
    })
}

fn call(account: &Account, target: &TargetId, at: Moment) {
    if let Ok(call) = account.reserve(target, black_box(CALL), black_box(at)) {
        wait(account);
        call.settle(black_box(CALL));
    }
}

/// Blocks until the disk covers an account.
fn wait(account: &Account) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let Some(commit) = account.pending_commit() else { return };
    let (mut commit, waker) = (pin!(commit), Waker::from(Arc::new(Unpark(thread::current()))));
    while commit.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        thread::park();
    }
}

fn reserve(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(GROUP);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let lock = Mutex::new(0_u64);
    group.bench_function(NAMES[0], |bench| {
        bench.iter(|| {
            *lock.lock() += black_box(1);
            *lock.lock() -= black_box(1);
        });
    });
    let count = AtomicU64::new(0);
    group.bench_function(NAMES[1], |bench| bench.iter(|| count.fetch_add(black_box(1), Ordering::Relaxed)));

    let Ok(target) = "openai/gpt".parse::<TargetId>() else { return };
    let at = moment();
    let memory = [Limits::default(), money(), all()];
    for (name, tenant) in NAMES[2..5].iter().zip(memory) {
        let Ok(book) = Book::new(&limits(tenant), at.now) else { return };
        let account = book.account("acme");
        group.bench_function(*name, |bench| bench.iter(|| call(account, &target, at)));
    }

    let Ok(folder) = tempfile::tempdir() else { return };
    for (name, ahead_usd) in NAMES[5..].iter().zip([1_000.0, 0.0]) {
        let mut config = LedgerConfig::new(folder.path().join(name));
        config.ahead_usd = ahead_usd;
        let Ok(book) = Book::open(&limits(all()), &config, at) else { return };
        let account = book.account("acme");
        group.bench_function(*name, |bench| bench.iter(|| call(account, &target, at)));
    }
}

#[expect(clippy::disallowed_methods, reason = "a program has to read the time somewhere")]
fn moment() -> Moment {
    Moment { now: Instant::now(), wall: SystemTime::now() }
}

/// Prints the medians of the run in nanoseconds, and as multiples of two locks.
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn table() -> Option<()> {
    let program = std::env::current_exe().ok()?;
    let folder = program.ancestors().nth(3)?.join("criterion").join(GROUP);
    let floor = median(&folder, NAMES[0])?;
    println!("\n| reserve and settle | ns a call | × two locks |\n|---|---|---|");
    for name in NAMES {
        let nanos = median(&folder, name)?;
        println!("| {name} | {nanos:.1} | {:.1} |", nanos / floor);
    }
    Some(())
}

fn median(folder: &Path, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join(name).join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

criterion_group!(benches, reserve);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // There is no table without measurements, as under `cargo test`.
    let _printed = table();
}
