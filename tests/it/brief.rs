//! The features of the original brief with its own numbers, one test per row of its list.
//!
//! Tests over HTTP use simulated providers; tests of the library use scripted ones in virtual time.

use fb::{Builder, Client};
use fb_testkit::{Script, script};

mod failures;
mod weights;

/// Creates a builder with the providers of a script, which is returned beside it.
fn scripted(text: &str) -> (Script, Builder) {
    let script = script(text);
    let builder = script
        .providers()
        .into_iter()
        .fold(Client::builder(), |builder, (name, provider)| builder.provider(name, provider));
    (script, builder)
}
