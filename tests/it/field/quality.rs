//! Settings that `fb check` warns of.

use tokio::process::Command;

use crate::harness::{TempDir, prepared};

#[tokio::test]
async fn check_names_quality_settings_without_effect() {
    let Some(fb) = prepared("FB_BIN") else { return };
    let dir = TempDir::new();
    let check = async |route: &str| {
        let config = format!(
            "[providers.p]\nkind = \"ollama\"\n[routes.default]\ntargets = [{{ provider = \"p\", model = \"m\" }}]\n{route}\n"
        );
        let file = dir.write("fb.toml", &config);
        let output = Command::new(&fb).arg("check").arg(&file).output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let warnings = printed.lines().filter_map(|line| line.split_once("warning: "));
        let without_effect = warnings.filter(|(_, warning)| warning.contains("without effect"));
        without_effect.map(|(_, warning)| warning.to_owned()).collect::<Vec<_>>()
    };
    let no_gate = "without effect, as no gate is set; expected a gate, such as empty = true";
    assert_eq!(
        check("quality = { buffer = true, repair = true }").await,
        [
            format!("routes.default.quality.buffer = true: {no_gate}"),
            format!("routes.default.quality.repair = true: {no_gate}"),
        ]
    );
    assert_eq!(check("quality = { buffer = true, repair = true, empty = true }").await, [""; 0]);
    assert_eq!(
        check("quality = { empty = true }\nresume = true").await,
        [
            "routes.default.resume = true: without effect, as the answers of a route with quality gates are not resumed"
        ]
    );
    assert_eq!(check("resume = true").await, [""; 0]);
}
