//! `GET /whatsapp/webhook`: Meta's handshake, before it sends anything.

use std::sync::Arc;

use axum::extract::State;
use subtle::ConstantTimeEq;

use crate::{
    app::App,
    http::{
        body::Query,
        problem::{Kind, Problem, Result},
    },
};

/// Answer Meta's handshake.
///
/// The token may be the environment's or that of any bot.
#[utoipa::path(
    get, path = "/whatsapp/webhook", tag = "whatsapp", operation_id = "verify_webhook", security(()),
    params(
        ("hub.mode" = String, Query, description = "`subscribe`"),
        ("hub.verify_token" = String, Query, description = "What was entered in Meta's console"),
        ("hub.challenge" = String, Query, description = "Comes back as it is"),
    ),
    responses(
        (status = OK, body = String, content_type = "text/plain", description = "The challenge"),
        (status = FORBIDDEN, description = "The token is not ours"),
    )
)]
pub(in crate::http) async fn verify(State(app): State<Arc<App>>, Query(mut query): Query) -> Result<String> {
    let mode = query.text("hub.mode").required();
    let token = query.text("hub.verify_token").required();
    let challenge = query.text("hub.challenge").required();
    query.finish()?;
    if mode != "subscribe" {
        return Err(Problem::new(Kind::FORBIDDEN, "hub.mode must be `subscribe`"));
    }
    let global = app.config.whatsapp.webhook_verify_token.as_ref();
    if global.is_some_and(|global| bool::from(global.reveal().as_bytes().ct_eq(token.as_bytes()))) {
        return Ok(challenge);
    }
    let sealed = app.db.read().await?.verify_tokens().await?;
    let own = sealed.into_iter().any(|(bot, sealed)| {
        let opened = app.secrets.unseal(bot, "whatsapp_verify_token", &sealed);
        opened.is_ok_and(|own| bool::from(own.reveal().as_bytes().ct_eq(token.as_bytes())))
    });
    if own { Ok(challenge) } else { Err(Problem::new(Kind::FORBIDDEN, "the verify token is not one of ours")) }
}
