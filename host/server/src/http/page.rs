//! Lists come in pages.

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::body::Body;

/// Items of a page when the client does not say.
const LIMIT_DEFAULT: i64 = 100;
/// Most items of a page.
const LIMIT_MAX: i64 = 1_000;

/// Which page of a list.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Most items to return, 1 to 1000.
    #[param(default = 100, minimum = 1, maximum = 1000, required = false)]
    pub(super) limit: i64,
    /// How many items to pass over.
    #[param(default = 0, minimum = 0, required = false)]
    pub(super) skip: i64,
}

impl Paging {
    /// Reads `limit` and `skip`.
    pub(super) fn read(query: &mut Body) -> Self {
        let limit = query.integer("limit").within(1, LIMIT_MAX).optional().unwrap_or(LIMIT_DEFAULT);
        let skip = query.integer("skip").within(0, i64::MAX).optional().unwrap_or(0);
        Self { limit, skip }
    }

    /// Puts a page of rows into the envelope.
    pub(super) fn envelope<R, T>(self, page: storage::Page<R>, show: impl FnMut(R) -> T) -> List<T> {
        List {
            items: page.items.into_iter().map(show).collect(),
            total: page.total,
            limit: self.limit,
            skip: self.skip,
        }
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    /// The items of this page.
    items: Vec<T>,
    /// How many there are on all pages.
    total: i64,
    /// The page's size, as asked for.
    limit: i64,
    /// How many items were passed over.
    skip: i64,
}
