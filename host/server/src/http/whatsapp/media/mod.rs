//! Files: uploading them to Meta, and getting those that came.

pub(in crate::http) mod get;
pub(in crate::http) mod upload;
