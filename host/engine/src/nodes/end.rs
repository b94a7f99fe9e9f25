//! `end`: the flow is over.

use serde_json::json;

use crate::{
    config::Reader,
    run::{Next, Run},
};

/// Has no settings.
#[derive(Debug)]
pub(crate) struct End;

impl End {
    pub(super) fn read(_reader: &mut Reader<'_, '_>) -> Self {
        Self
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Next {
        run.log("completed", json!({}));
        Next::End
    }
}
