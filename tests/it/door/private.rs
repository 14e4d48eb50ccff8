//! Files that only their owner may read, and ids of answers that do not repeat.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt};

use futures_util::future::join_all;

use crate::harness::{CHAT, Gateway, Sims, TempDir, prepared};

#[tokio::test(flavor = "multi_thread")]
async fn records_and_the_ledger_are_readable_by_their_owner_only() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let (sims, dir) = (Sims::start().await, TempDir::new());
    let files = ["requests.jsonl", "spend.redb"].map(|name| dir.0.join(name));
    let [record, ledger] = files.each_ref().map(|file| file.display().to_string());
    let more = format!("[record]\nfile = {record:?}\n[ledger]\npath = {ledger:?}\n");
    let modes = || files.each_ref().map(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777);
    let gateway = Gateway::start(&fb, &sims.config(&more)).await;
    assert_eq!(gateway.post(CHAT).await.status, 200);
    gateway.stop().await;
    assert_eq!(modes(), [0o600, 0o600]);
    // Files that exist keep the mode that their owner gave them.
    for file in &files {
        fs::set_permissions(file, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let gateway = Gateway::start(&fb, &sims.config(&more)).await;
    assert_eq!(gateway.post(CHAT).await.status, 200);
    gateway.stop().await;
    assert_eq!(modes(), [0o640, 0o640]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_answers_without_one_do_not_repeat() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let sims = Sims::start().await;
    // Ollama's answers have no id.
    let route = "[[routes.default.targets]]\nprovider = \"third\"\nmodel = \"llama3.2\"\n";
    let gateway = Gateway::start(&fb, &(sims.providers() + route)).await;
    let answers = join_all((0..20).map(|_| gateway.post(CHAT))).await;
    let ids: HashSet<String> =
        answers.iter().map(|answer| answer.json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((ids.len(), sims.calls()), (20, [0, 0, 20]), "{ids:?}");
}
