//! What a gateway records, and what another config would have made of it.

use std::{fs, path::Path, process::Stdio};

use fb_sim::{Fault, SimReply};
use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Folder, Gateway, Sims, needs};

/// Said by a caller and by a model, and nowhere else to be read.
const SAID: &str = "heron-and-otter";

/// The files of a folder that begin with `requests.jsonl`, the oldest first, and their lines.
fn files(folder: &Folder) -> Vec<(String, Vec<Value>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("requests.jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains(SAID) && !text.contains("sk-"), "{text}");
            assert!(text.len() <= 4_096, "{name} has {} bytes", text.len());
            files.push((name, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()));
        }
    }
    files.sort_by(|one, other| other.0.cmp(&one.0));
    files
}

async fn backtest(fb: &Path, folder: &Folder, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(fb);
    command.arg("backtest").args(args).current_dir(&folder.0).env_clear().stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_recorded_without_a_word_of_it_and_one_more_target_would_have_saved_it() {
    let Some(fb) = needs("FB_BIN") else { return };
    let (sims, folder) = (Sims::start().await, Folder::new());
    sims.primary.reply(SimReply { text: Some(SAID.to_owned()), ..SimReply::default() });
    let route = |more: &str| {
        format!(
            "{}\n[routes.default]\nlast_resort_wait = \"100ms\"\ntargets = [\n\
             {{ provider = \"primary\", model = \"m\", price = {{ input = 1.0, output = 2.0 }} }},\n{more}]",
            sims.providers()
        )
    };
    let file = folder.0.join("requests.jsonl");
    let record = format!("[record]\nfile = {:?}\nmax_bytes = 4096\nkeep = 9\n", file.display().to_string());
    let gateway = Gateway::start(&fb, &format!("{record}{}", route(""))).await;
    let ask = |stream: bool| {
        let body = format!(
            r#"{{"model":"default","stream":{stream},"max_tokens":50,"messages":[{{"role":"user","content":"{SAID}"}}]}}"#
        );
        gateway.post(body)
    };
    let mut statuses = Vec::new();
    for number in 0..10 {
        statuses.push(ask(number % 2 == 0).await.status);
    }
    sims.primary.fault(Fault::Status { status: 503, headers: Vec::new(), body: Some(SAID.to_owned()) });
    for _ in 0..8 {
        statuses.push(ask(false).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "{statuses:?}");
    gateway.stop().await;

    let files = files(&folder);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.len() > 2 && names.ends_with(&["requests.jsonl.1", "requests.jsonl"]), "{names:?}");
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

    folder.write("new.toml", &route("{ provider = \"backup\", model = \"n\" },"));
    let args = [&["--config", "new.toml", "--json"], &names[..]].concat();
    let (code, said, errors) = backtest(&fb, &folder, &args).await;
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(backtest(&fb, &folder, &args).await.1, said, "the same table every time");
    let found: Value = serde_json::from_str(&said).unwrap();
    let of_route = &found["routes"][0];
    let answered = |when: &str| of_route[when]["answered"].as_u64().unwrap();
    assert_eq!((answered("recorded"), answered("predicted")), (10, 18), "{said}");
    assert_eq!(of_route["predicted"]["answered_by"]["backup/n"], 8, "{said}");
    assert_eq!(found["assumed"][0], "backup/n was never called: it answers in 1s");

    folder.write("bad.jsonl", "\n{\"version\": 1}\n");
    let (code, said, errors) = backtest(&fb, &folder, &["--config", "new.toml", "bad.jsonl"]).await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(errors.starts_with("fb: bad.jsonl:2  missing field"), "{errors}");
    let args = ["--config", "new.toml", "--route", "other", names[0]];
    let (code, _, errors) = backtest(&fb, &folder, &args).await;
    assert_eq!(code, Some(1));
    assert_eq!(errors, "fb: no request of the route \"other\"; routes in the records: default");
}

/// The page's files in a folder, and what it shows a command to print.
fn page(folder: &Folder) -> (String, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/backtest.md");
    let text = fs::read_to_string(file).unwrap();
    let (mut shown, mut configs) = (None, ["fb.toml", "new.toml"].into_iter());
    for block in text.split("\n```").skip(1).step_by(2) {
        let (kind, body) = block.split_once('\n').unwrap();
        match kind {
            "toml" => drop(folder.write(configs.next().unwrap(), body)),
            "jsonl" => drop(folder.write("requests.jsonl", body)),
            _ => shown = body.split_once('\n').map(|(args, said)| (args.to_owned(), said.to_owned())),
        }
    }
    shown.unwrap()
}

#[tokio::test]
async fn backtest_prints_what_its_page_shows() {
    let Some(fb) = needs("FB_BIN") else { return };
    let folder = Folder::new();
    let (command, shown) = page(&folder);
    let args: Vec<&str> = command.strip_prefix("$ fb backtest ").unwrap().split(' ').collect();
    let (code, said, errors) = backtest(&fb, &folder, &args).await;
    assert_eq!((code, said.as_str(), errors.as_str()), (Some(0), shown.as_str(), ""));
}
