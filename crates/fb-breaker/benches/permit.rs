//! The cost of a permit, compared with other crates in the same run: admitted and settled as a success, on one thread and
//! on two threads that share a breaker, and rejected by an open breaker. All crates use their default configuration.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    path::Path,
    pin::Pin,
    sync::Barrier,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use circuitbreaker_rs::{BreakerError, DefaultPolicy};
use criterion::{BenchmarkGroup, Criterion, criterion_group, measurement::WallTime};
use failsafe::CircuitBreaker as _;
use fb_breaker::{Breaker, BreakerConfig, Weight};
use recloser::Recloser;
use tower_resilience_circuitbreaker::{CircuitBreaker, CircuitBreakerLayer, DefaultClassifier};
use tower_service::Service;

const NAMES: [&str; 7] = [
    "fb-breaker, borrowed, time supplied",
    "fb-breaker, owned permit, time supplied",
    "fb-breaker, borrowed, reads clock",
    "failsafe",
    "recloser",
    "tower-resilience",
    "circuitbreaker-rs",
];
const GROUPS: [&str; 3] = ["one_thread", "two_threads", "rejected"];

/// Runs one call through a breaker; `make` creates the call for each thread.
trait Bench {
    fn run<C: FnMut()>(&mut self, name: &str, make: impl Fn() -> C + Sync);
}

struct OneThread<'a>(BenchmarkGroup<'a, WallTime>);
struct TwoThreads<'a>(BenchmarkGroup<'a, WallTime>);

impl Bench for OneThread<'_> {
    fn run<C: FnMut()>(&mut self, name: &str, make: impl Fn() -> C + Sync) {
        self.0.bench_function(name, |bench| bench.iter(make()));
    }
}

impl Bench for TwoThreads<'_> {
    /// Measures the slower thread, which is the cost of a call to each of them.
    fn run<C: FnMut()>(&mut self, name: &str, make: impl Fn() -> C + Sync) {
        let work = |iterations: u64, start: &Barrier| {
            let mut call = make();
            start.wait();
            let began = clock();
            for _ in 0..iterations {
                call();
            }
            began.elapsed()
        };
        self.0.bench_function(name, |bench| {
            bench.iter_custom(|iterations| {
                let start = Barrier::new(2);
                thread::scope(|scope| {
                    let other = scope.spawn(|| work(iterations, &start));
                    let own = work(iterations, &start);
                    other.join().map_or(own, |other| own.max(other))
                })
            });
        });
    }
}

fn permitted(bench: &mut impl Bench) {
    let Ok(breaker) = Breaker::new(BreakerConfig::default(), clock) else { return };
    let now = clock();
    bench.run(NAMES[0], || {
        || {
            if let Ok(permit) = breaker.try_acquire_borrowed(black_box(now)) {
                permit.success(black_box(now));
            }
        }
    });
    bench.run(NAMES[1], || {
        || {
            if let Ok(permit) = breaker.try_acquire(black_box(now)) {
                permit.success(black_box(now));
            }
        }
    });
    bench.run(NAMES[2], || {
        || {
            if let Ok(permit) = breaker.try_acquire_borrowed(clock()) {
                permit.success(clock());
            }
        }
    });
    // `call` makes the same two steps as its separate functions.
    let breaker = failsafe::Config::new().build();
    bench.run(NAMES[3], || {
        || {
            let _result = black_box(breaker.call(|| black_box(Ok::<(), ()>(()))));
        }
    });
    // It only accepts closures.
    let breaker = Recloser::default();
    bench.run(NAMES[4], || {
        || {
            let _result = black_box(breaker.call(|| black_box(Ok::<(), ()>(()))));
        }
    });
    let Ok(layer) = CircuitBreakerLayer::builder().build() else { return };
    let service = layer.layer_fn(Answers);
    bench.run(NAMES[5], || {
        let mut service = service.clone();
        move || {
            let _result = black_box(drive(&mut service, Ok(())));
        }
    });
    // It only accepts closures.
    let breaker = circuitbreaker_rs::CircuitBreaker::<DefaultPolicy, Infallible>::builder().build();
    bench.run(NAMES[6], || {
        || {
            let _result: Result<(), BreakerError<Infallible>> = black_box(breaker.call(|| black_box(Ok(()))));
        }
    });
}

fn rejected(bench: &mut impl Bench) {
    let now = clock();
    let Ok(breaker) = Breaker::new(BreakerConfig::default(), clock) else { return };
    while let Ok(permit) = breaker.try_acquire(now) {
        permit.failure(Weight::FULL, now);
    }
    bench.run(NAMES[0], || || drop(black_box(breaker.try_acquire_borrowed(black_box(now)))));
    bench.run(NAMES[1], || || drop(black_box(breaker.try_acquire(black_box(now)))));
    // Keeps the breaker open for the whole measurement.
    let outage = Weight::FULL.with_retry_after(Duration::from_secs(600));
    let Ok(breaker) = Breaker::new(BreakerConfig::default(), clock) else { return };
    while let Ok(permit) = breaker.try_acquire(clock()) {
        permit.failure(outage, clock());
    }
    bench.run(NAMES[2], || || drop(black_box(breaker.try_acquire_borrowed(clock()))));

    // Ten minutes as well, with the failure policy of its default.
    let backoff = failsafe::backoff::constant(Duration::from_secs(600));
    let policy = failsafe::failure_policy::consecutive_failures(5, backoff);
    let breaker = failsafe::Config::new().failure_policy(policy).build();
    while breaker.is_call_permitted() {
        breaker.on_error();
    }
    bench.run(NAMES[3], || {
        || {
            black_box(breaker.is_call_permitted());
        }
    });
    let breaker = Recloser::custom().open_wait(Duration::from_secs(600)).build();
    while !matches!(breaker.call(|| Err::<(), ()>(())), Err(recloser::Error::Rejected)) {}
    bench.run(NAMES[4], || {
        || {
            let _result = black_box(breaker.call(|| black_box(Ok::<(), ()>(()))));
        }
    });
    let layer = CircuitBreakerLayer::builder().wait_duration_in_open(Duration::from_secs(600)).build();
    let Ok(layer) = layer else { return };
    let mut service = layer.layer_fn(Answers);
    while !service.is_open() {
        let _failed = drive(&mut service, Err(()));
    }
    bench.run(NAMES[5], || {
        let mut service = service.clone();
        move || {
            let _result = black_box(drive(&mut service, Ok(())));
        }
    });
    let breaker = circuitbreaker_rs::CircuitBreaker::<DefaultPolicy, Infallible>::builder()
        .cooldown(Duration::from_secs(600))
        .build();
    breaker.force_open();
    bench.run(NAMES[6], || {
        || {
            let _result: Result<(), BreakerError<Infallible>> = black_box(breaker.call(|| black_box(Ok(()))));
        }
    });
}

/// A service that returns its request as the result.
#[derive(Clone)]
struct Answers;

impl Service<Result<(), ()>> for Answers {
    type Response = ();
    type Error = ();
    type Future = Ready<Result<(), ()>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, answer: Result<(), ()>) -> Self::Future {
        ready(black_box(answer))
    }
}

/// Drives a service that is only available behind an asynchronous lock. Polling is cheaper than any runtime.
fn drive(service: &mut CircuitBreaker<Answers, DefaultClassifier>, answer: Result<(), ()>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let ready = spin(|| Service::<Result<(), ()>>::poll_ready(service, &mut context));
    let mut response = service.call(answer);
    ready.is_ok() && spin(|| Pin::new(&mut response).poll(&mut context)).is_ok()
}

fn spin<T>(mut poll: impl FnMut() -> Poll<T>) -> T {
    loop {
        if let Poll::Ready(value) = poll() {
            return value;
        }
        std::hint::spin_loop();
    }
}

#[expect(clippy::disallowed_methods, reason = "the benchmark measures time")]
fn clock() -> Instant {
    Instant::now()
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

fn permits(criterion: &mut Criterion) {
    permitted(&mut OneThread(group(criterion, GROUPS[0])));
    permitted(&mut TwoThreads(group(criterion, GROUPS[1])));
    rejected(&mut OneThread(group(criterion, GROUPS[2])));
}

/// Prints the medians in nanoseconds per call and thread, with the ratio to this crate.
#[expect(clippy::print_stdout, reason = "the table is the result")]
fn table() -> Option<()> {
    let program = std::env::current_exe().ok()?;
    let folder = program.ancestors().nth(3)?.join("criterion");
    println!("\n| ns a call (× fb-breaker) | one thread | two threads | rejected |\n|---|---|---|---|");
    for name in NAMES {
        let cells = GROUPS.map(|group| {
            let (nanos, ours) = (median(&folder.join(group), name)?, median(&folder.join(group), NAMES[0])?);
            Some(format!("{nanos:.1} ({:.2})", nanos / ours))
        });
        println!("| {name} | {} |", cells.map(Option::unwrap_or_default).join(" | "));
    }
    Some(())
}

fn median(folder: &Path, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join(name).join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

criterion_group!(benches, permits);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // There is no table without measurements, as in a test run of the benchmark.
    let _printed = table();
}
