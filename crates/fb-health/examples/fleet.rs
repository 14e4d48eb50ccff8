//! Three targets behind two endpoints: one target fails more than its peers, and one endpoint stops answering.
//!
//! `cargo run -p fb-health --example fleet`

#![expect(clippy::print_stdout, reason = "the output is the purpose of an example")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fb_health::{Check, Fleet, HealthConfig, Origin, Prober};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let now = || Instant::now().into_std();
    let fleet = Fleet::new(HealthConfig::default())?;
    let large = fleet.join("cloud/large", "cloud", "chat", now());
    let small = fleet.join("cloud/small", "cloud", "chat", now());
    let local = fleet.join("local/small", "local", "chat", now());

    let up = Arc::new(AtomicBool::new(true));
    let cloud_up = Arc::clone(&up);
    let prober = Prober::start(&fleet, move |endpoint| {
        let answers = endpoint != "local" || cloud_up.load(Ordering::Relaxed);
        async move { if answers { Check::Passed } else { Check::Failed("connection refused".to_owned()) } }
    });
    for _ in 0..2 {
        prober.check_now().await;
    }
    println!("at first:              {:?}", fleet.healthy_targets(now()));

    for _ in 0..20 {
        small.record_success(Duration::from_millis(300), now());
        local.record_success(Duration::from_millis(900), now());
        large.record_failure(Origin::Remote, "500", now());
    }
    println!("cloud/large fails:     {:?}", fleet.healthy_targets(now()));

    up.store(false, Ordering::Relaxed);
    for _ in 0..3 {
        prober.check_now().await;
    }
    println!("local is down as well: {:?} (panic: one of three is too few)", fleet.healthy_targets(now()));
    for status in fleet.status(now()) {
        println!("{:12} {:?}, {} of {} failed", status.name, status.condition, status.failed, status.calls);
    }
    prober.shutdown().await;
    Ok(())
}
