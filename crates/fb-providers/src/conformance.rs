//! A conformance suite for providers of other programs: runs the contract of [`Provider`](fb_core::Provider) against an upstream
//! that the author of a provider controls. Feature `conformance`.
//!
//! The author implements [`Upstream`], which plays one [`Scenario`] after another: a simulated server, or the client library with its
//! transport replaced. [`Suite::run`] calls the provider in each scenario and returns [`Findings`]. A scenario that the upstream cannot
//! play is skipped, and its checks are listed as such.
//!
//! # Examples
//!
//! ```
//! use std::sync::Mutex;
//!
//! use fb_core::{
//!     Call, CallError, Capabilities, Failure, FailureKind, Provider, Refusal, Reply, Streaming, async_trait,
//! };
//! use fb_providers::conformance::{Scenario, Suite, TEXT, Upstream};
//!
//! /// A provider without streams, and its upstream in one.
//! struct Corporate(Mutex<Scenario>);
//!
//! #[async_trait]
//! impl Provider for Corporate {
//!     fn capabilities(&self, _model: &str) -> Capabilities {
//!         Capabilities { streaming: false, tools: false, ..Capabilities::default() }
//!     }
//!
//!     fn admit(&self, call: Call<'_>) -> Result<(), Refusal> {
//!         if call.request.head().tools { Err(Refusal::new("tools", "this client has none")) } else { Ok(()) }
//!     }
//!
//!     async fn chat(&self, _call: Call<'_>) -> Result<Reply, CallError> {
//!         match *self.0.lock().unwrap() {
//!             Scenario::Text => Ok(Reply { text: TEXT.to_owned(), ..Reply::default() }),
//!             _ => Err(Failure::new(FailureKind::Auth, "the key was rejected").into()),
//!         }
//!     }
//!
//!     async fn stream(&self, _call: Call<'_>) -> Result<Streaming, CallError> {
//!         Err(Failure::new(FailureKind::InvalidRequest, "streams are not supported").into())
//!     }
//! }
//!
//! #[async_trait]
//! impl Upstream for Corporate {
//!     async fn play(&self, scenario: Scenario) -> bool {
//!         *self.0.lock().unwrap() = scenario;
//!         matches!(scenario, Scenario::Text | Scenario::WrongKey)
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let corporate = std::sync::Arc::new(Corporate(Mutex::new(Scenario::Text)));
//! let findings = Suite::new(corporate.clone(), "m").run(&*corporate).await;
//! findings.assert_conforms();
//! assert!(findings.to_string().contains("skipped chat: rate limited"));
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod findings;
mod streamed;
mod suite;
mod upstream;

pub use findings::{CheckResult, Finding, Findings};
pub use suite::Suite;
pub use upstream::{ARGUMENTS, PROMPT, RETRY_AFTER, Scenario, TEXT, TOOL, Upstream};
