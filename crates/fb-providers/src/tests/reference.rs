use std::fmt::Write;

use expect_test::expect_file;

use crate::{
    openai::artefacts::{ARTEFACTS, Artefact, Position, Recipients, Shape},
    preset::{Adapter, Auth, PRESETS, Preset, ProbePath},
};

/// Checks that `docs/reference/providers.md` matches the table; `UPDATE_EXPECT=1` rewrites it.
#[test]
fn reference_page_matches_the_table() {
    let mut page = String::from(HEAD);
    for preset in PRESETS {
        writeln!(page, "{}", row(preset)).unwrap();
    }
    page.push_str("\n## Differences\n\n| name | difference |\n|---|---|\n");
    for preset in PRESETS {
        let differences = differences(preset);
        if !differences.is_empty() {
            writeln!(page, "| `{}` | {} |", preset.name, differences.join("; ")).unwrap();
        }
    }
    page.push_str(BOUND);
    for artefact in ARTEFACTS {
        writeln!(page, "{}", bound(artefact)).unwrap();
    }
    expect_file!["../../../../docs/reference/providers.md"].assert_eq(&page);
}

const HEAD: &str = "\
# Providers

Generated from `crates/fb-providers/src/preset/table.rs` by a test of that crate: `UPDATE_EXPECT=1 cargo test -p
fb-providers`.

Set `kind` of a provider to one of these names, or to `compatible` for any other server of OpenAI's dialect, which
needs a `base_url`. Without `api_key` the key is read from the environment variable, which is sent to the endpoint of the
table and its regional hosts only: with any other `base_url` of these kinds, set `api_key`, or `api_key = \"none\"` for a
server that needs no key. A request with an unsupported parameter is not sent to the provider but to the next target.
Parameters that an answer can do without are left out, and the response header `x-fb-degraded` names them.

| name | endpoint | auth | environment variable | probe | unsupported parameters | default max_tokens | default model |
|---|---|---|---|---|---|---|---|
";

const BOUND: &str = "
## Provider-bound content

These fields of a body in OpenAI's dialect are sent to some kinds only. For all other kinds they are left out, and
`x-fb-degraded` names them. A request with `previous_response_id` is not sent at all, because only the account that
stored the answer can read it.

| field | sent to |
|---|---|
";

fn bound(artefact: &Artefact) -> String {
    let position = |position: &Position| {
        let name = artefact.name;
        match position {
            Position::Body => format!("`{name}`"),
            Position::Message => format!("`messages[].{name}`"),
            Position::Part => format!("`messages[].content[].{name}`"),
            Position::PartType => format!("`messages[].content[]` of type `{name}`"),
            Position::Call => format!("`messages[].tool_calls[].{name}`"),
            Position::Tool => format!("`tools[].{name}`, `tools[].function.{name}`"),
        }
    };
    let positions = artefact.positions.iter().map(position).collect::<Vec<_>>().join(", ");
    let shape = match artefact.shape {
        Shape::Any => "",
        Shape::Nested => ", a list or an object",
        Shape::Plain => ", a text",
    };
    let names = |kinds: &[&str]| kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
    let recipients = match artefact.recipients {
        Recipients::Only(kinds) => names(kinds),
        Recipients::AllExcept(kinds) => format!("all but {}", names(kinds)),
    };
    format!("| {positions}{shape} | {recipients} |")
}

fn row(preset: &Preset) -> String {
    let code = |text: &str| format!("`{text}`");
    let auth = match preset.auth {
        Auth::Bearer if preset.env.is_none() => "bearer, optional",
        Auth::Bearer => "bearer",
        Auth::ApiKey => "`api-key`, or bearer",
        Auth::XApiKey => "`x-api-key`, or bearer",
    };
    let probe = match preset.probe {
        ProbePath::Base(path) => format!("`GET {path}`"),
        ProbePath::Root(path) => format!("`GET {path}` at the root"),
        ProbePath::None => "none".to_owned(),
    };
    let quirks = &preset.quirks;
    let mut refused: Vec<String> = quirks.refuse.iter().map(|(field, _)| code(field)).collect();
    if !quirks.json_schema {
        refused.push("`response_format` with a schema".to_owned());
    }
    let limit = match preset.adapter {
        Adapter::Anthropic => "21333; 4096 for an unknown model",
        Adapter::OpenAi | Adapter::Azure | Adapter::Ollama => "set by the provider",
    };
    let endpoint = preset.base_url.map_or_else(|| "`https://NAME.openai.azure.com`".to_owned(), code);
    let env = match preset.adapter {
        Adapter::Azure => "`AZURE_OPENAI_API_KEY`, `AZURE_OPENAI_ENDPOINT`".to_owned(),
        _ => preset.env.map_or_else(String::new, code),
    };
    let model = preset.default_model.map_or_else(String::new, code);
    let refused = refused.join(", ");
    format!("| `{}` | {endpoint} | {auth} | {env} | {probe} | {refused} | {limit} | {model} |", preset.name)
        .replace("|  |", "| |")
        .replace("|  |", "| |")
}

fn differences(preset: &Preset) -> Vec<String> {
    if preset.adapter == Adapter::Anthropic || preset.adapter == Adapter::Ollama {
        return Vec::new();
    }
    let quirks = &preset.quirks;
    let mut all: Vec<String> =
        quirks.rename.iter().map(|(old, new)| format!("`{old}` sent as `{new}`")).collect();
    all.extend(quirks.values.iter().map(|(field, old, new)| format!("`{field}: {old}` sent as `{new}`")));
    all.extend(quirks.max_temperature.map(|max| format!("`temperature` at most {max}")));
    if !quirks.drop.is_empty() {
        let dropped: Vec<String> = quirks.drop.iter().map(|(field, _)| format!("`{field}`")).collect();
        all.push(format!("left out: {}", dropped.join(", ")));
    }
    if quirks.reasoning_models {
        all.push(
            "to models that always think (o1, o3, o4, gpt-5, gpt-6, or `capabilities.thinking`): `max_tokens` sent as \
             `max_completion_tokens`; `temperature`, `top_p` and penalties left out; requests with `logprobs` or \
             `logit_bias` not sent"
                .to_owned(),
        );
    }
    if quirks.signed_calls {
        all.push(
            "to models since Gemini 3: tool calls that none of them signed are marked as such".to_owned(),
        );
    }
    if quirks.prefix {
        all.push("a last message of the model marked by `\"prefix\": true`".to_owned());
    }
    if !quirks.developer {
        all.push("role `developer` sent as `system`".to_owned());
    }
    all
}
