//! Records of a gateway, and their replay through another config.

use std::{fs, path::Path, process::Stdio};

use fb_sim::{Fault, SimReply};
use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Gateway, Sims, TempDir, prepared};

/// The text of a prompt and of an answer, which no record may contain.
const CONTENT: &str = "heron-and-otter";

/// Returns the files named `requests.jsonl*`, oldest first, with their lines.
fn files(dir: &TempDir) -> Vec<(String, Vec<Value>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir.0).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("requests.jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains(CONTENT) && !text.contains("sk-"), "{text}");
            assert!(text.len() <= 4_096, "{name} has {} bytes", text.len());
            files.push((name, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()));
        }
    }
    files.sort_by(|one, other| other.0.cmp(&one.0));
    files
}

async fn backtest(fb: &Path, dir: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(fb);
    command.arg("backtest").args(args).current_dir(&dir.0).env_clear().stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn records_omit_content_and_backtest_predicts_the_effect_of_a_target() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    sims.primary.reply(SimReply { text: Some(CONTENT.to_owned()), ..SimReply::default() });
    let route = |more: &str| {
        format!(
            "{}\n[routes.default]\nlast_resort_wait = \"100ms\"\ntargets = [\n\
             {{ provider = \"primary\", model = \"m\", price = {{ input = 1.0, output = 2.0 }} }},\n{more}]",
            sims.providers()
        )
    };
    let file = dir.0.join("requests.jsonl");
    let record = format!("[record]\nfile = {:?}\nmax_bytes = 4096\nkeep = 9\n", file.display().to_string());
    let gateway = Gateway::start(&fb, &format!("{record}{}", route(""))).await;
    let send = |stream: bool| {
        let body = format!(
            r#"{{"model":"default","stream":{stream},"max_tokens":50,"messages":[{{"role":"user","content":"{CONTENT}"}}]}}"#
        );
        gateway.post(body)
    };
    let mut statuses = Vec::new();
    for number in 0..10 {
        statuses.push(send(number % 2 == 0).await.status);
    }
    sims.primary.fault(Fault::Status { status: 503, headers: Vec::new(), body: Some(CONTENT.to_owned()) });
    for _ in 0..8 {
        statuses.push(send(false).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "{statuses:?}");
    gateway.stop().await;

    let files = files(&dir);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.len() >= 2 && names.ends_with(&["requests.jsonl.1", "requests.jsonl"]), "{names:?}");
    let entries: Vec<&Value> = files.iter().flat_map(|(_, entries)| entries).collect();
    assert_eq!(entries.len(), 18);
    let first = entries[0];
    assert_eq!(
        (&first["stream"], &first["outcome"], &first["by"]),
        (&true.into(), &"ok".into(), &"primary/m".into())
    );
    assert_eq!((&first["max_output"], &first["attempts"][0]["end"]), (&50.into(), &"ok".into()));
    assert!(first["attempts"][0]["first_ms"].is_u64() && first["began"].is_string(), "{first}");
    let failed = entries[10];
    assert_eq!(
        (&failed["outcome"], &failed["by"], &failed["cost_nanos"]),
        (&"failed".into(), &Value::Null, &Value::Null)
    );
    assert_eq!(failed["attempts"][0]["failure"]["status"], 503);

    dir.write("new.toml", &route("{ provider = \"backup\", model = \"n\" },"));
    let args = [&["--config", "new.toml", "--json"], &names[..]].concat();
    let (code, stdout, stderr) = backtest(&fb, &dir, &args).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(backtest(&fb, &dir, &args).await.1, stdout, "the same table every time");
    let comparison: Value = serde_json::from_str(&stdout).unwrap();
    let route_result = &comparison["routes"][0];
    let answered = |when: &str| route_result[when]["answered"].as_u64().unwrap();
    assert_eq!((answered("recorded"), answered("predicted")), (10, 18), "{stdout}");
    assert_eq!(route_result["predicted"]["answered_by"]["backup/n"], 8, "{stdout}");
    assert_eq!(comparison["assumed"][0], "backup/n was never called: it answers in 1s");

    dir.write("bad.jsonl", "\n{\"version\": 1}\n");
    let (code, stdout, stderr) = backtest(&fb, &dir, &["--config", "new.toml", "bad.jsonl"]).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with("fb: bad.jsonl:2  missing field"), "{stderr}");
    let args = ["--config", "new.toml", "--route", "other", names[0]];
    let (code, _, stderr) = backtest(&fb, &dir, &args).await;
    assert_eq!(code, Some(1));
    assert_eq!(stderr, "fb: no request of the route \"other\"; routes in the records: default");
}

/// Writes the files of the page to `dir`, and returns its command with the documented output.
fn page(dir: &TempDir) -> (String, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/backtest.md");
    let text = fs::read_to_string(file).unwrap();
    let (mut shown, mut configs) = (None, ["fb.toml", "new.toml"].into_iter());
    for block in text.split("\n```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap();
        match kind {
            "toml" => drop(dir.write(configs.next().unwrap(), body)),
            "jsonl" => drop(dir.write("requests.jsonl", body)),
            _ => shown = body.split_once('\n').map(|(args, output)| (args.to_owned(), output.to_owned())),
        }
    }
    shown.unwrap()
}

#[tokio::test]
async fn backtest_prints_the_documented_output() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let dir = TempDir::new();
    let (command, shown) = page(&dir);
    let args: Vec<&str> = command.strip_prefix("$ fb backtest ").unwrap().split(' ').collect();
    let (code, stdout, stderr) = backtest(&fb, &dir, &args).await;
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), shown.as_str(), ""));
}
