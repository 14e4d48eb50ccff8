use prometheus_client::encoding::EncodeLabelSet;

use crate::{label_values::StaticLabel, names::Label};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabels {
    pub(super) route: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TargetLabels {
    pub(super) target: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) route: Label,
    pub(super) outcome: StaticLabel,
    pub(super) level: StaticLabel,
    pub(super) cache: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AttemptLabels {
    pub(super) route: Label,
    pub(super) target: Label,
    pub(super) outcome: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KeyLabels {
    pub(super) target: Label,
    pub(super) key: Label,
    pub(super) outcome: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct HopLabels {
    pub(super) route: Label,
    pub(super) tenant: Label,
    pub(super) from: Label,
    pub(super) to: Label,
    pub(super) reason: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RoleLabels {
    pub(super) route: Label,
    pub(super) target: Label,
    pub(super) role: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SkipLabels {
    pub(super) route: Label,
    pub(super) target: Label,
    pub(super) reason: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TokenLabels {
    pub(super) target: Label,
    pub(super) direction: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct BreakerLabels {
    pub(super) target: Label,
    pub(super) state: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TransitionLabels {
    pub(super) target: Label,
    pub(super) from: StaticLabel,
    pub(super) to: StaticLabel,
    pub(super) reason: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ProviderBreakerLabels {
    pub(super) provider: Label,
    pub(super) state: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ProviderTransitionLabels {
    pub(super) provider: Label,
    pub(super) from: StaticLabel,
    pub(super) to: StaticLabel,
    pub(super) reason: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct MoveLabels {
    pub(super) route: Label,
    pub(super) from: StaticLabel,
    pub(super) to: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CacheLabels {
    pub(super) route: Label,
    pub(super) result: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DriftLabels {
    pub(super) route: Label,
    pub(super) tenant: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DefectLabels {
    pub(super) route: Label,
    pub(super) target: Label,
    pub(super) gate: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TenantLabels {
    pub(super) tenant: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TenantRequestLabels {
    pub(super) tenant: Label,
    pub(super) outcome: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusalLabels {
    pub(super) tenant: Label,
    pub(super) limit: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WindowLabels {
    pub(super) tenant: Label,
    pub(super) window: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RecordLabels {
    pub(super) result: StaticLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RejectionLabels {
    pub(super) listener: StaticLabel,
    pub(super) code: StaticLabel,
}
