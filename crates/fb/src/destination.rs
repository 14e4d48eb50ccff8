use fb_router::Complexity;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The route it names, by its own name or an alias, or the `PROVIDER/MODEL`.
    pub asked: String,
    /// How hard it is; `None` when that route has no classes, or the request cannot be read.
    pub class: Option<Complexity>,
    /// Whose targets are asked: the route of that class, or else the one it names.
    pub route: String,
}
