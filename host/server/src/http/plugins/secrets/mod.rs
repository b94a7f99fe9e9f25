//! Secrets that bots' owners lend plugins. They can be written and never read.

pub(in crate::http) mod delete;
pub(in crate::http) mod list;
pub(in crate::http) mod put;
