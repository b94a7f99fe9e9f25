//! Pages of lists.

/// One page of a list, with the length of the whole.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// How many rows there are on all pages.
    pub total: i64,
}
