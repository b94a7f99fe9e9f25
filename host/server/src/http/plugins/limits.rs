//! `PUT /plugins/{name}/limits`

use std::sync::Arc;

use axum::{Json, extract::State};
use plugin_host::Limits;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Place,
    share::{OwnerParams, owned_by, owner},
};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::{Body, Query},
        problem::Result,
    },
};

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// What one call of a plugin may use. What is absent is as the server has it; nothing goes beyond what the
        /// server's configuration allows.
        #[derive(Debug, ToSchema)]
        #[expect(dead_code, reason = "describes what is read")]
        pub(in crate::http) struct PluginLimitsInput {
            $($(#[$doc])* #[schema(minimum = 1)] $name: Option<u64>,)*
        }

        /// Reads limits over those of the server. Answers what was said, and what comes of it.
        fn read(body: &mut Body, usual: Limits) -> (Map<String, Value>, Limits) {
            let (mut said, mut limits) = (Map::new(), usual);
            $(if let Some(value) = body.integer(stringify!($name)).within(1, i64::MAX).optional() {
                said.insert(stringify!($name).into(), value.into());
                limits.$name = value.unsigned_abs();
            })*
            (said, limits)
        }
    };
}

limits! {
    /// Bytes of all linear memories together.
    memory_bytes
    /// Elements of all tables together.
    table_elements
    /// Milliseconds on a processor.
    cpu_ms
    /// Milliseconds from admission to answer.
    wall_ms
    /// Bytes of what a call returns.
    output_bytes
    /// Lines in the log.
    log_lines
    /// Bytes of those lines.
    log_bytes
    /// HTTP exchanges.
    http_calls
    /// Bytes of those exchanges, both directions.
    http_bytes
    /// Milliseconds for one request.
    http_timeout_ms
    /// Calls of `kv`.
    kv_calls
    /// Bytes read from and written to `kv`.
    kv_bytes
    /// Bytes of one value.
    kv_value_bytes
    /// Keys that the bot, or one contact, may have.
    kv_stored_keys
    /// Bytes of keys and values that the bot, or one contact, may have.
    kv_stored_bytes
    /// Handles that are open at once.
    handles
    /// Bytes that one host call may copy out of the guest.
    hostcall_bytes
    /// Calls of any import.
    host_calls
}

/// Set what one call of a plugin may use; for admins.
#[utoipa::path(
    put, path = "/plugins/{name}/limits", tag = "plugins", operation_id = "limit_plugin",
    params(("name" = String, Path), OwnerParams), request_body = PluginLimitsInput,
    responses(
        (status = OK, description = "What is in force now", body = Object),
        (status = FORBIDDEN, description = "For admins"),
    )
)]
pub(in crate::http) async fn limit(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    Query(mut query): Query,
    mut body: Body,
) -> Result<Json<Limits>> {
    current.must_be_admin()?;
    let owner = owner(&mut query, &current);
    query.finish()?;
    let most = app.config.plugins.limits;
    let (said, wanted) = read(&mut body, most);
    let above = above(&wanted, &most);
    for (name, value) in above {
        body.fault(&format!("/{name}"), format!("must be at most {value}, which the server's configuration sets"));
    }
    body.finish()?;
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let mut plugin = owned_by(&mut tx, owner, place.name()).await?;
    plugin.limits = (!said.is_empty()).then_some(Value::Object(said));
    tx.limit_plugin(plugin.id, plugin.limits.as_ref(), app.clock.now()).await?;
    tx.commit().await?;
    app.plugins.changed();
    Ok(Json(app.plugins.limits(&plugin)))
}

/// The limits of `wanted` that are above `most`, with the most there may be.
fn above(wanted: &Limits, most: &Limits) -> Vec<(String, u64)> {
    let as_map = |limits: &Limits| match serde_json::to_value(limits) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let most = as_map(most);
    let wanted = as_map(wanted).into_iter();
    wanted
        .filter_map(|(name, value)| {
            let most = most.get(&name)?.as_u64()?;
            (value.as_u64()? > most).then_some((name, most))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<PluginLimitsInput>(|body| drop(read(body, Limits::usual())));
    }

    #[test]
    fn every_limit_can_be_set() {
        let mut body = Body::default();
        read(&mut body, Limits::usual());
        let all = serde_json::to_value(Limits::usual()).unwrap();
        let mut names: Vec<_> = all.as_object().unwrap().keys().map(String::as_str).collect();
        let mut asked = body.asked().to_vec();
        names.sort_unstable();
        asked.sort_unstable();
        assert_eq!(asked, names);
    }
}
