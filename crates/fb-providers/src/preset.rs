//! The table of known providers: addresses, authentication, and the differences of their dialects from OpenAI's.

mod entry;
mod quirks;
mod table;

pub use self::entry::Auth;
#[cfg(test)]
pub(crate) use self::entry::ProbePath;
pub(crate) use self::{
    entry::{Adapter, Preset},
    quirks::{Flavour, Quirks, ToolIds},
    table::{COMPATIBLE, PRESETS},
};
use fb_core::InvalidConfig;

use crate::{
    api_key::{self, ApiKey},
    http::Base,
    nearest::nearest,
    secret::Secret,
};

/// Returns the preset with this name.
pub(crate) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Returns the preset with this name that the OpenAI adapter can serve.
pub(crate) fn for_openai(name: &str) -> Result<&'static Preset, InvalidConfig> {
    let known = || PRESETS.iter().filter(|preset| preset.adapter == Adapter::OpenAi).chain([&COMPATIBLE]);
    known()
        .find(|preset| preset.name == name)
        .ok_or_else(|| unknown("preset", name, known().map(|preset| preset.name)))
}

/// Creates the error for a name that is not one of `known`.
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

/// Returns the configured keys, or else the one in the provider's usual environment variable.
///
/// The variable holds a key for the provider itself, so it is read for the provider's own hosts only. For any other
/// server the config must name a key, or state that none is needed.
pub(crate) fn keys(
    preset: &Preset,
    configured: Option<&Secret>,
    several: &[ApiKey],
    base: &Base,
) -> Result<Vec<ApiKey>, InvalidConfig> {
    if !several.is_empty() {
        api_key::check(configured, several)?;
        return Ok(several.to_vec());
    }
    let secret = match (configured, preset.env) {
        (Some(secret), _) if secret.is_none() => return Ok(Vec::new()),
        (Some(secret), _) => secret.clone(),
        (None, None) => return Ok(Vec::new()),
        (None, Some(name)) if preset.is_own_address(base) => Secret::env(name),
        (None, Some(name)) => {
            let expected = format!(
                "expected a key for {}, or \"none\" if it needs no key; {name} is sent to the hosts of {} only",
                base.host(),
                preset.name,
            );
            return Err(InvalidConfig::new("api_key", "(missing)", expected));
        }
    };
    secret.resolve("api_key")?;
    Ok(vec![secret.into()])
}
