//! Slow clients: slowhttptest of Debian against the gateway, while others are served.

use std::{path::Path, time::Duration};

use tokio::{process::Command, time::Instant};

use crate::harness::{CHAT, Gateway, Sims, prepared};

/// Longer than the limits of the gateway, which end an attack.
const ATTACK: Duration = Duration::from_secs(10);
/// The limits that end the connections.
const LIMITS: &str =
    "head_timeout = \"2s\"\nbody_timeout = \"2s\"\nwrite_timeout = \"2s\"\nkeep_alive = \"4s\"\n";

/// The most of some figures during an attack.
#[derive(Debug, Default)]
struct Peak {
    /// Open files of the gateway, beyond those before.
    files: usize,
    /// Those at the end of the attack.
    left: usize,
    /// Memory of the gateway in bytes, beyond that before.
    memory: usize,
    /// The longest time of a request of another client.
    wait: Duration,
}

/// Attacks a path of the gateway with these arguments, and sends requests of another client meanwhile. Returns the peak, and
/// what the tool printed.
async fn attack(
    gateway: &Gateway,
    tool: &Path,
    connections: usize,
    path: &str,
    arguments: &str,
) -> (Peak, String) {
    let root = gateway.url.trim_end_matches("/v1");
    let (files, memory) = (gateway.open_files(), gateway.peak_memory());
    let mut command = Command::new(tool);
    let rate = connections.to_string();
    command.args(["-c", &rate, "-r", &rate, "-p", "5", "-l", &ATTACK.as_secs().to_string()]);
    command.args(arguments.split(' ')).args(["-u", &format!("{root}{path}")]).kill_on_drop(true);
    let (mut peak, mut wait) = (Peak::default(), Duration::ZERO);
    let others = async {
        loop {
            let begin = Instant::now();
            assert_eq!(gateway.post(CHAT).await.status, 200, "another client");
            wait = wait.max(begin.elapsed());
        }
    };
    let count = async {
        loop {
            peak.left = gateway.open_files().saturating_sub(files);
            peak.files = peak.files.max(peak.left);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let output = tokio::select! {
        output = command.output() => output.unwrap(),
        () = others => unreachable!("others go on"),
        () = count => unreachable!("counting goes on"),
    };
    peak.wait = wait;
    peak.memory = gateway.peak_memory() - memory;
    (peak, String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_bodies_and_reads_end_at_the_limits_and_others_are_served() {
    let (Some(fb), Some(tool)) = (prepared("FB_BIN"), prepared("FB_SLOWHTTPTEST")) else { return };
    let sims = Sims::start().await;
    // Names of which the list is larger than the socket buffer of a slow reader.
    let name = "n".repeat(2_000);
    let aliases: Vec<String> = (0..100).map(|number| format!("\"{name}{number}\", ")).collect();
    let config = sims.config("").replace("aliases = [", &format!("aliases = [{}", aliases.concat()));
    let gateway = Gateway::start(&fb, &format!("{LIMITS}{config}")).await;
    assert_eq!(gateway.post(CHAT).await.status, 200);
    for (what, connections, path, arguments) in [
        ("heads", 400, "/v1/models", "-H -i 1 -x 24"),
        ("bodies", 400, "/v1/chat/completions", "-B -i 1 -x 24 -s 20000 -f application/json"),
        ("reads", 40, "/v1/models", "-X -n 1 -z 16 -w 256 -y 512 -k 10"),
    ] {
        let (peak, printed) = attack(&gateway, &tool, connections, path, arguments).await;
        println!("{what}: {peak:?}");
        assert!(peak.files > connections / 2, "{what}: no attack: {peak:?}\n{printed}");
        assert!(peak.wait < Duration::from_secs(5), "{what}: others wait: {peak:?}");
        assert!(peak.memory < 64 << 20, "{what}: {peak:?}");
        // The tool ends early once no connection is left. A client that does not read does not see that its own has ended.
        let is_over = printed.contains("No open connections left");
        assert!(is_over || (what == "reads" && peak.left < 20), "{what}: not ended: {peak:?}\n{printed}");
    }
}
