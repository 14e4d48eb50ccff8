//! The table of known providers: where they are, how to sign in, and where their dialect differs from OpenAI's.

mod table;

pub(crate) use self::table::{COMPATIBLE, PRESETS};
use secrecy::SecretString;

use crate::{InvalidConfig, Secret, nearest, openai::Flavour};

/// A known provider.
#[derive(Debug)]
pub(crate) struct Preset {
    /// Its kind in a config.
    pub(crate) name: &'static str,
    /// The adapter that speaks to it.
    pub(crate) adapter: Adapter,
    /// Its address; `None` when every account has its own.
    pub(crate) base_url: Option<&'static str>,
    /// How the key goes over the wire.
    pub(crate) auth: Auth,
    /// The environment variable its users keep the key in; `None` when it needs no key.
    pub(crate) env: Option<&'static str>,
    /// A free request that says whether it is there.
    pub(crate) probe: ProbePath,
    /// The model a first call goes to; `None` when nobody can know.
    pub(crate) default_model: Option<&'static str>,
    /// Where its dialect differs.
    pub(crate) quirks: Quirks,
}

/// Which adapter speaks to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// [`OpenAi`](crate::OpenAi), which also speaks to everything compatible.
    OpenAi,
    /// [`Anthropic`](crate::Anthropic).
    Anthropic,
    /// [`Azure`](crate::Azure).
    Azure,
    /// [`Ollama`](crate::Ollama).
    Ollama,
}

/// How a key goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// `api-key: KEY`, as Azure has it.
    ApiKey,
    /// `x-api-key: KEY`, as Anthropic has it.
    XApiKey,
}

/// Where a provider's free answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbePath {
    /// Under its base URL.
    Base(&'static str),
    /// At the root of its server.
    Root(&'static str),
    /// Nowhere.
    None,
}

/// Where a provider's dialect differs from OpenAI's.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent difference")]
pub(crate) struct Quirks {
    /// Whose errors it speaks.
    pub(crate) flavour: Flavour,
    /// Fields it knows under another name.
    pub(crate) rename: &'static [(&'static str, &'static str)],
    /// Fields it rejects or ignores although an answer depends on them, and why a request with them is not sent.
    pub(crate) refuse: &'static [(&'static str, &'static str)],
    /// Fields it rejects that change nothing an answer could not do without; they are left out with a note.
    pub(crate) drop: &'static [(&'static str, &'static str)],
    /// Values it knows under another name: field, OpenAI's value, its own.
    pub(crate) values: &'static [(&'static str, &'static str, &'static str)],
    /// The largest temperature it takes; a larger one is lowered with a note.
    pub(crate) max_temperature: Option<f64>,
    /// Whether it knows the role `developer`; else such messages are the system's.
    pub(crate) developer: bool,
    /// Whether it follows a JSON schema; else a request with one is not sent.
    pub(crate) json_schema: bool,
    /// Whether it counts tokens at the end of a stream when `stream_options` asks for it; others count unasked or
    /// reject the field.
    pub(crate) stream_usage: bool,
    /// What a tool call's id may look like.
    pub(crate) tool_ids: ToolIds,
    /// Whether its models are OpenAI's own, of which the thinking ones reject settings that others take.
    pub(crate) thinkers: bool,
    /// Whether its newer models reject calls in the history that none of them signed.
    pub(crate) signed_calls: bool,
}

/// What a tool call's id may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ToolIds {
    /// Anything.
    Any,
    /// Nine letters and digits; other ids in the history are replaced by such.
    NineAlphanumeric,
}

/// The preset of this name that [`OpenAi`](crate::OpenAi) speaks to.
pub(crate) fn of_openai(name: &str) -> Result<&'static Preset, InvalidConfig> {
    let known = || PRESETS.iter().filter(|preset| preset.adapter == Adapter::OpenAi).chain([&COMPATIBLE]);
    known()
        .find(|preset| preset.name == name)
        .ok_or_else(|| unknown("preset", name, known().map(|preset| preset.name)))
}

/// A name that is none of these.
pub(crate) fn unknown(
    field: &str,
    name: &str,
    known: impl Iterator<Item = &'static str> + Clone,
) -> InvalidConfig {
    let list = known.clone().collect::<Vec<_>>().join(", ");
    let expected = match nearest(name, known) {
        Some(near) => format!("unknown; did you mean {near:?}? expected one of: {list}"),
        None => format!("unknown; expected one of: {list}"),
    };
    InvalidConfig::quoted(field, name, expected)
}

/// The configured key, or else the one in the provider's usual environment variable.
///
/// At an address of one's own (`own_address`) there may be no key at all.
pub(crate) fn key(
    preset: &Preset,
    configured: Option<&Secret>,
    own_address: bool,
) -> Result<Option<SecretString>, InvalidConfig> {
    match (configured, preset.env) {
        (Some(secret), _) => secret.resolve("api_key").map(Some),
        (None, Some(name)) if own_address => Ok(Secret::env(name).resolve("api_key").ok()),
        (None, Some(name)) => Secret::env(name).resolve("api_key").map(Some),
        (None, None) => Ok(None),
    }
}

impl Preset {
    /// The preset of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}
