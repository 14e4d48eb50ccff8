/// The requests that a failure concerns, as far as the provider's answer shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All requests that the kind of the failure concerns.
    #[default]
    Kind,
    /// The failed request alone, such as one with tools at a model without them.
    Request,
    /// The failed request alone, or all requests of the target: no code of the provider distinguishes the two.
    Unclear,
    /// All requests for one model of the account: the account has a limit for that model.
    Model,
}
