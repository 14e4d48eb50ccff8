//! A target as one route uses it: shared state, and the settings of the route.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use fb_budget::TargetPrices;
use fb_core::{
    Call, CallKey, Capabilities, ChatRequest, Effort, Eligibility, FailureKind, Overrides, Provider, TargetId,
};
use fb_retry::RetryPolicy;

use super::target_state::TargetState;
use crate::{
    Target,
    thinking::{effort, is_thinking_model, set_effort, thinks},
    time_limits::{CallShape, TargetTimes},
};

/// A target as one route uses it. Clones share the state and the weight.
#[derive(Clone)]
pub(super) struct RouteTarget {
    pub(super) state: Arc<TargetState>,
    pub(super) config: Arc<Target>,
    /// Targets with a lower number are tried first.
    pub(super) priority: u32,
    /// The bits of the weight as `f64`, which `adjust_weights` replaces at run time.
    weight: Arc<AtomicU64>,
    pub(super) retry: RetryPolicy,
    /// The most retries in one request, where the configuration sets a number.
    pub(super) retry_limit: Option<u32>,
    /// Names of the failure kinds after which the request moves on, if the target restricts them.
    pub(super) triggers: Option<Vec<&'static str>>,
    overrides: Overrides,
    pub(super) prices: TargetPrices,
    capabilities: Capabilities,
    /// True for a model that always thinks, by the configuration or else by its name.
    is_thinking_model: bool,
    /// The reasoning effort that the target sets in place of that of its requests.
    set_effort: Option<Effort>,
}

impl RouteTarget {
    pub(super) fn new(
        state: Arc<TargetState>,
        config: &Target,
        priority: u32,
        retry: RetryPolicy,
        prices: TargetPrices,
    ) -> Self {
        let kinds = |names: &Vec<String>| {
            let kinds = names.iter().filter_map(|name| FailureKind::named(name).ok());
            kinds.flatten().map(FailureKind::name).collect()
        };
        let triggers = config.trigger_on.as_ref().map(kinds);
        let overrides =
            Overrides(config.set.iter().map(|(name, value)| (name.clone(), value.clone())).collect());
        let capabilities = config.capabilities.applied_to(state.provider().capabilities(state.id().model()));
        let (is_thinking_model, set_effort) = (is_thinking_model(config), set_effort(config));
        let weight = Arc::new(AtomicU64::new(config.weight.to_bits()));
        let retry_limit = config.retry_config(&state.settings.mechanisms.retry).max_retries;
        let config = Arc::new(config.clone());
        Self {
            state,
            config,
            priority,
            weight,
            retry,
            retry_limit,
            triggers,
            overrides,
            prices,
            capabilities,
            is_thinking_model,
            set_effort,
        }
    }

    pub(super) fn id(&self) -> &TargetId {
        self.state.id()
    }

    pub(super) fn provider(&self) -> &dyn Provider {
        &**self.state.provider()
    }

    /// Returns the capabilities of the model, as the provider reports and the configuration corrects them.
    pub(super) const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Returns the time limits that the configuration sets.
    pub(super) fn times(&self) -> TargetTimes {
        TargetTimes::of(&self.config)
    }

    /// Returns the properties of a call on which its default time limits depend.
    pub(super) fn call_shape(&self, request: &ChatRequest, streams: bool) -> CallShape {
        let has_learned = || {
            let is_stated = self.config.capabilities.thinking.is_some();
            !is_stated && self.provider().has_learned_thinking(self.id().model())
        };
        let effort = self.set_effort.or_else(|| effort(request));
        let thinks = thinks(self.is_thinking_model || has_learned(), effort);
        CallShape { streams, thinks, max_tokens: request.head().max_tokens }
    }

    /// Returns the weight relative to the other targets of the route.
    pub(super) fn weight(&self) -> f64 {
        f64::from_bits(self.weight.load(Ordering::Relaxed))
    }

    pub(super) fn set_weight(&self, weight: f64) {
        self.weight.store(weight.to_bits(), Ordering::Relaxed);
    }

    /// Shares the weight of a target in an earlier state of the same route, which may have been adjusted.
    pub(super) fn share_weight(&mut self, earlier: &Self) {
        self.weight = Arc::clone(&earlier.weight);
    }

    /// Returns true if a target of the same configuration would be called in the same way.
    pub(super) fn is_called_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state) && self.retry == other.retry && self.prices == other.prices
    }

    /// Returns the call that carries a request to this target.
    pub(super) fn call<'a>(&'a self, request: &'a ChatRequest) -> Call<'a> {
        let thinking = self.config.capabilities.thinking;
        Call {
            request,
            model: self.id().model(),
            overrides: &self.overrides,
            thinking,
            key: CallKey::default(),
        }
    }

    /// Returns the eligibility of the target. In panic mode health is ignored.
    pub(super) fn eligibility(&self, panic: bool, at: Instant) -> Eligibility {
        self.state.eligibility(self.health(panic, at), at)
    }

    /// Returns the eligibility that follows from health alone. In panic mode health is ignored.
    pub(super) fn health(&self, panic: bool, at: Instant) -> Eligibility {
        if panic { Eligibility::usable() } else { self.state.health.own_eligibility(at) }
    }
}
