use std::{fmt, sync::Arc};

use fb_core::{InvalidConfig, Provider};
use fb_providers::{IntoProvider, ProviderConfig};
use thiserror::Error as ThisError;

use crate::{BuildError, Error, ErrorCode, Route, catalog::Catalog};

/// A change of the providers and routes of a running [`Client`](crate::Client): applied as a whole or not at all.
///
/// The edits are applied in the order in which they are added, and the result is validated as a whole, so a route may
/// use a provider of the same change.
///
/// # Examples
///
/// One provider takes the place of another:
///
/// ```
/// use fb::{Change, Client, Route, Target, providers::Ollama};
///
/// let route = |provider| Route::priority("default", [Target::new(provider, "llama3.2")]);
/// let client = Client::builder().provider("old", Ollama::local()).route(route("old")).build()?;
///
/// let change = Change::new().provider("new", Ollama::local()).route(route("new")).remove_provider("old");
/// client.apply(&change)?;
/// assert_eq!(client.providers(), ["new"]);
/// # Ok::<(), fb::Error>(())
/// ```
#[must_use = "a change has no effect until it is applied"]
#[derive(Clone, Default)]
pub struct Change {
    edits: Vec<Edit>,
}

#[derive(Clone)]
enum Edit {
    Provider {
        name: String,
        provider: Result<Arc<dyn Provider>, InvalidConfig>,
        /// The other settings of the provider; `None` leaves them as they are.
        config: Option<Box<ProviderConfig>>,
    },
    RemoveProvider(String),
    Route(Box<Route>),
    RemoveRoute(String),
}

impl Change {
    /// Creates an empty change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a provider or the settings of one, or replaces the one of that name. The other settings of its name stay: listed models and the
    /// settings of breaker, retry and health.
    pub fn provider(mut self, name: impl Into<String>, provider: impl IntoProvider) -> Self {
        let provider = provider.into_provider();
        self.edits.push(Edit::Provider { name: name.into(), provider, config: None });
        self
    }

    /// Adds a provider with all its settings, or replaces the one of that name.
    ///
    /// # Errors
    /// Names the invalid field, its value and what was expected. Never contains a secret.
    pub fn provider_config(
        mut self,
        name: impl Into<String>,
        config: &ProviderConfig,
    ) -> Result<Self, InvalidConfig> {
        let name = name.into();
        let provider = config.build().map_err(|error| error.within(&format!("providers.{name}")))?;
        self.edits.push(Edit::Provider {
            name,
            provider: Ok(provider),
            config: Some(Box::new(config.clone())),
        });
        Ok(self)
    }

    /// Removes a provider. No route may use it after the change.
    pub fn remove_provider(mut self, name: impl Into<String>) -> Self {
        self.edits.push(Edit::RemoveProvider(name.into()));
        self
    }

    /// Adds a route, or replaces the one of that name.
    pub fn route(mut self, route: Route) -> Self {
        self.edits.push(Edit::Route(Box::new(route)));
        self
    }

    /// Removes a route with its aliases.
    pub fn remove_route(mut self, name: impl Into<String>) -> Self {
        self.edits.push(Edit::RemoveRoute(name.into()));
        self
    }

    /// Returns the catalog with this change, which is not validated yet except for the names of the removed.
    pub(crate) fn applied_to(&self, mut catalog: Catalog) -> Result<Catalog, ChangeError> {
        let mut removed = Vec::new();
        for edit in &self.edits {
            match edit {
                Edit::Provider { name, provider, config } => {
                    let provider =
                        provider.clone().map_err(|error| error.within(&format!("providers.{name}")))?;
                    catalog.providers.insert(name.clone(), provider);
                    if let Some(config) = config {
                        catalog.set_provider_config(name, config);
                        catalog.record_built(name, config);
                    } else {
                        catalog.record_added(name);
                    }
                }
                Edit::RemoveProvider(name) => {
                    if !catalog.remove_provider(name) {
                        let providers = catalog.providers.into_keys().collect();
                        return Err(ChangeError::UnknownProvider { name: name.clone(), providers });
                    }
                    removed.push(name);
                }
                Edit::Route(route) => catalog.set_route(route),
                Edit::RemoveRoute(name) => {
                    if !catalog.remove_route(name) {
                        let routes = catalog.routes.into_iter().map(|route| route.name).collect();
                        return Err(ChangeError::UnknownRoute { name: name.clone(), routes });
                    }
                }
            }
        }
        for provider in removed.into_iter().filter(|name| !catalog.providers.contains_key(*name)) {
            let uses = |route: &&Route| route.all_targets().any(|(_, target)| target.provider == *provider);
            let routes: Vec<String> =
                catalog.routes.iter().filter(uses).map(|route| route.name.clone()).collect();
            if !routes.is_empty() {
                return Err(ChangeError::ProviderInUse { provider: provider.clone(), routes });
            }
        }
        Ok(catalog)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits = self.edits.iter().map(|edit| match edit {
            Edit::Provider { name, .. } => format!("provider {name}"),
            Edit::RemoveProvider(name) => format!("remove provider {name}"),
            Edit::Route(route) => format!("route {}", route.name),
            Edit::RemoveRoute(name) => format!("remove route {name}"),
        });
        f.debug_set().entries(edits).finish()
    }
}

/// The error of a [`Change`] that was not applied: the client is as it was.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum ChangeError {
    /// There is no provider of this name to remove.
    #[error("no provider is named {name:?}; providers: {}", .providers.join(", "))]
    UnknownProvider {
        /// The name of the change.
        name: String,
        /// The names of the providers.
        providers: Vec<String>,
    },
    /// There is no route of this name to remove.
    #[error("no route is named {name:?}; routes: {}", .routes.join(", "))]
    UnknownRoute {
        /// The name of the change.
        name: String,
        /// The names of the routes.
        routes: Vec<String>,
    },
    /// Routes would be left with a provider that is removed.
    #[error(
        "providers.{provider} is used by routes: {}; expected none: update them before, or in the same change",
        .routes.join(", ")
    )]
    ProviderInUse {
        /// The provider to remove.
        provider: String,
        /// The names of the routes with targets of this provider.
        routes: Vec<String>,
    },
    /// The result of the change is not valid.
    #[error(transparent)]
    Invalid(#[from] BuildError),
}

impl ChangeError {
    /// Returns the code of the error, from which everything in an HTTP response follows.
    pub const fn error_code(&self) -> ErrorCode {
        match self {
            Self::UnknownProvider { .. } => ErrorCode::ProviderNotFound,
            Self::UnknownRoute { .. } => ErrorCode::RouteNotFound,
            Self::ProviderInUse { .. } => ErrorCode::ProviderInUse,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
        }
    }

    /// Returns the field at fault: of several, the first one.
    pub fn field(&self) -> String {
        match self {
            Self::UnknownProvider { name, .. } => format!("providers.{name}"),
            Self::UnknownRoute { name, .. } => format!("routes.{name}"),
            Self::ProviderInUse { provider, .. } => format!("providers.{provider}"),
            Self::Invalid(error) => {
                error.problems.first().map(|problem| problem.field.clone()).unwrap_or_default()
            }
        }
    }
}

impl From<InvalidConfig> for ChangeError {
    fn from(problem: InvalidConfig) -> Self {
        Self::Invalid(BuildError::new(problem))
    }
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Invalid(error) => Self::Build(error),
            ChangeError::UnknownProvider { .. }
            | ChangeError::UnknownRoute { .. }
            | ChangeError::ProviderInUse { .. } => {
                Self::Config(InvalidConfig::new(error.field(), "(removed)", error.to_string()))
            }
        }
    }
}
