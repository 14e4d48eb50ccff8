//! Encodes the tools and the tool choice.

use fb_core::{Chat, Json, Refusal, Tool as Declared, ToolChoice};

use super::{
    body::{Choice, Tool},
    thinking::ThinkingConfig,
};
use crate::{
    anthropic::{extras::AllowedTools, limits::Limits, notes::Notes, schema},
    value::Fields,
};

pub(super) fn tools<'a>(
    chat: &'a Chat,
    allowed: Option<&AllowedTools>,
    limits: &Limits,
    thinking: &ThinkingConfig,
    notes: &mut Notes,
) -> Result<(Vec<Tool<'a>>, Option<Choice<'a>>), Refusal> {
    if chat.tools.is_empty() {
        return match chat.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Named(_)) => {
                Err(Refusal::new("tool_choice", "asks for a tool, and none is declared"))
            }
            Some(ToolChoice::Auto | ToolChoice::None) | None => Ok((Vec::new(), None)),
        };
    }
    let tools = chat.tools.iter().enumerate().map(|(index, declared)| tool(index, declared, notes));
    let mut tools: Vec<Tool<'a>> = tools.collect::<Result<_, _>>()?;
    // Thinking cannot be combined with a forced tool.
    let forceable = limits.forced_tools && !thinking.is_on();
    let parallel = chat.parallel_tools;
    let choice = match (allowed, &chat.tool_choice) {
        (Some(allowed), _) => Some(restricted(allowed, parallel, forceable, &mut tools, notes)?),
        (None, Some(choice)) => Some(chosen(choice, parallel, forceable, &mut tools, notes)?),
        (None, None) => (parallel == Some(false)).then(|| Choice::new("auto", parallel)),
    };
    Ok((tools, choice))
}

fn tool<'a>(index: usize, declared: &'a Declared, notes: &mut Notes) -> Result<Tool<'a>, Refusal> {
    let mut strict = declared.strict == Some(true);
    let field = || format!("tools[{index}].function.parameters");
    let mut input_schema = input_schema(declared.parameters.as_ref())
        .ok_or_else(|| Refusal::new(field(), "is no JSON schema of an object"))?;
    if strict {
        match schema::sanitise(&input_schema, None) {
            Ok(clean) => {
                input_schema = clean.schema;
                if clean.changed {
                    notes.add(field(), schema::CHANGED);
                }
            }
            Err(fault) => {
                strict = false;
                let why = fault.refusal(&field()).to_string();
                notes.add(format!("tools[{index}].function.strict"), format!("dropped: {why}"));
            }
        }
    }
    let description = declared.description.as_deref().filter(|text| !text.is_empty());
    Ok(Tool { name: &declared.name, description, input_schema, strict })
}

/// Returns the schema of the parameters. Adds `type: object`, which Anthropic requires and OpenAI does not.
fn input_schema(parameters: Option<&Json>) -> Option<Json> {
    let Some(schema) = parameters.filter(|schema| !schema.is_null()) else {
        return Json::parse(r#"{"type":"object","properties":{}}"#).ok();
    };
    let fields: Fields<'_> = serde_json::from_str(schema.get()).ok()?;
    if fields.get("type").is_some() {
        return Some(schema.clone());
    }
    let rest = schema.get().strip_prefix('{')?.trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    Json::parse(&format!(r#"{{"type":"object"{comma}{rest}"#)).ok()
}

const FIELD: &str = "tool_choice";
const UNFORCED: &str = "became auto: neither this model nor one that thinks can be forced";

fn chosen<'a>(
    requested: &'a ToolChoice,
    parallel: Option<bool>,
    forceable: bool,
    tools: &mut Vec<Tool<'a>>,
    notes: &mut Notes,
) -> Result<Choice<'a>, Refusal> {
    Ok(match requested {
        ToolChoice::Auto => Choice::new("auto", parallel),
        ToolChoice::None => Choice::new("none", None),
        ToolChoice::Required if forceable => Choice::new("any", parallel),
        ToolChoice::Required => {
            notes.add(FIELD, UNFORCED);
            Choice::new("auto", parallel)
        }
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == name) => {
            return Err(Refusal::new(FIELD, "names a tool that is not declared"));
        }
        ToolChoice::Named(name) if forceable => Choice { name: Some(name), ..Choice::new("tool", parallel) },
        ToolChoice::Named(name) => {
            tools.retain(|tool| tool.name == name);
            notes.add(
                FIELD,
                "became auto with this one tool: neither this model nor one that thinks can be forced",
            );
            Choice::new("auto", parallel)
        }
    })
}

/// Restricts the choice to some of the tools. Anthropic has no such choice, so the other tools are removed.
fn restricted<'a>(
    allowed: &AllowedTools,
    parallel: Option<bool>,
    forceable: bool,
    tools: &mut Vec<Tool<'a>>,
    notes: &mut Notes,
) -> Result<Choice<'a>, Refusal> {
    tools.retain(|tool| allowed.names.iter().any(|name| name == tool.name));
    if tools.is_empty() {
        return Err(Refusal::new(FIELD, "allows none of the declared tools"));
    }
    notes.add(FIELD, "tools that are not allowed were left out");
    if allowed.required && !forceable {
        notes.add(FIELD, UNFORCED);
    }
    Ok(Choice::new(if allowed.required && forceable { "any" } else { "auto" }, parallel))
}
