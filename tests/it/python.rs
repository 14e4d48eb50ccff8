//! Python programs that use official client libraries.

use std::{path::Path, process::Stdio};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

fn command(python: &Path, script: &str, url: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/py").join(script);
    let mut command = Command::new(python);
    command.arg(script).arg(url).kill_on_drop(true);
    command
}

/// Runs a script and parses the JSON that it prints.
pub(crate) async fn run(python: &Path, script: &str, url: &str) -> Value {
    let output = command(python, script, url).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A running process with the SDK of a provider, which takes one command per line.
pub(crate) struct Sdk {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Sdk {
    /// Starts a script that drives an SDK against this URL.
    pub(crate) fn start(python: &Path, script: &str, url: &str) -> Self {
        let mut child = command(python, script, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, input, output }
    }

    pub(crate) async fn send(&mut self, command: Value) -> Value {
        self.input.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let line = self.output.next_line().await.unwrap().expect("the SDK answers");
        serde_json::from_str(&line).unwrap()
    }
}
