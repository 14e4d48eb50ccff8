//! `fb env`: the environment variables that send a client through the gateway.

use std::{net::SocketAddr, path::Path, process::ExitCode};

use crate::{
    config::{self, LoadedConfig},
    stdout::print_line,
};

/// Prints the variables as lines of a shell. Exits with an error if the config is invalid or has no such route.
pub(crate) fn env(config: Option<&Path>, route: Option<&str>) -> Result<ExitCode, String> {
    let loaded = config.map(config::load_without_keys).transpose()?.unwrap_or_default();
    let route = match (route, default_route(&loaded)) {
        (Some(named), _) if config.is_none() || loaded.fb.routes.contains_key(named) => named,
        (Some(named), _) => {
            let known: Vec<&str> = loaded.fb.routes.keys().map(String::as_str).collect();
            return Err(format!("--route {named}: no such route; expected one of: {}", known.join(", ")));
        }
        (None, default) => default,
    };
    print_line(&variables(reachable(loaded.server.listen), route));
    Ok(ExitCode::SUCCESS)
}

/// Returns `default`, or the first route if there is none.
fn default_route(loaded: &LoadedConfig) -> &str {
    const DEFAULT: &str = "default";
    let routes = &loaded.fb.routes;
    if routes.contains_key(DEFAULT) { DEFAULT } else { routes.keys().next().map_or(DEFAULT, String::as_str) }
}

/// Returns an address of this machine for a listener on all of its addresses.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(_) if listen.ip().is_unspecified() => ([127, 0, 0, 1], listen.port()).into(),
        SocketAddr::V6(_) if listen.ip().is_unspecified() => ([0, 0, 0, 0, 0, 0, 0, 1], listen.port()).into(),
        one => one,
    }
}

/// Returns the lines of a shell. The key is that in `FB_API_KEY`: SDKs refuse to work without one, also where none is needed.
fn variables(listen: SocketAddr, route: &str) -> String {
    format!(
        "# Clients of OpenAI; send the model {route}\n\
         export OPENAI_BASE_URL=http://{listen}/v1\n\
         export OPENAI_API_KEY=\"${{FB_API_KEY:-unused}}\"\n\
         # Clients of Anthropic; send the model {route}\n\
         export ANTHROPIC_BASE_URL=http://{listen}\n\
         export ANTHROPIC_API_KEY=\"${{FB_API_KEY:-unused}}\"\n\
         # Claude Code\n\
         export ANTHROPIC_MODEL={route}\n\
         export ANTHROPIC_SMALL_FAST_MODEL={route}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_on_all_addresses_is_reached_on_this_machine() {
        for (listen, expected) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("127.0.0.1:80", "127.0.0.1:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }
}
