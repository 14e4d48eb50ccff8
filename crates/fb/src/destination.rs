use fb_router::Complexity;

/// The route that serves a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// The route that the request names, directly or by an alias; or the `PROVIDER/MODEL`.
    pub requested: String,
    /// The complexity of the request; `None` when the requested route has no classes, or the request cannot be parsed.
    pub class: Option<Complexity>,
    /// The route that provides the targets: the one of the class, or else the requested one.
    pub route: String,
}
