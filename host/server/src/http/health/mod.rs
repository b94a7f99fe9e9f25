//! Whether the server is well: for load balancers and supervisors.

pub(super) mod live;
pub(super) mod metrics;
pub(super) mod ready;

use serde::Serialize;
use utoipa::ToSchema;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`
    status: &'static str,
}

impl Health {
    /// All is well.
    pub(super) const OK: Self = Self { status: "ok" };
}
