//! `POST /flows/contacts/{contact_id}/events`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use domain::{ContactId, CustomEvent, EventType};
use engine::Limits;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        id::Id,
        once::{Begun, Once, OnceParams},
        problem::{Problem, Result},
    },
};

/// Something that happened to a contact.
#[derive(Debug, ToSchema)]
#[schema(as = EventInput)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct EventInput {
    /// `custom.` and a snake-case word of at most 60 characters.
    #[schema(pattern = "^custom\\.[a-z][a-z0-9_]{0,59}$")]
    name: String,
    /// Anything, at most 32 KiB as JSON: conditions and flows see it as `payload`.
    #[schema(value_type = Option<Object>)]
    payload: Option<Value>,
}

/// An event that was taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventTaken)]
pub(in crate::http) struct EventView {
    contact_id: i64,
    name: String,
}

fn read(body: &mut Body) -> (Option<EventType>, Value) {
    let name = body.text("name").and_then(|name| {
        let word = CustomEvent::WORD_CHARS_MAX;
        let fault = || format!("must be `custom.` and a snake-case word of at most {word} characters");
        CustomEvent::parse(&name).map(EventType::Custom).ok_or_else(fault)
    });
    let name = name.needed();
    let payload = body.any("payload").optional().unwrap_or_default();
    if let Some(name) = &name
        && let Err(fault) = engine::check_event(name.as_str(), payload.clone(), &Limits::default())
    {
        body.fault("/payload", fault);
    }
    (name, payload)
}

/// Tell triggers and waiting executions of something that happened to a contact.
///
/// 202 means that it is stored: event triggers that listen to this name, and executions that wait for it, get it in the
/// order of the contact's messages and events.
#[utoipa::path(
    post, path = "/flows/contacts/{contact_id}/events", tag = "contacts", operation_id = "tell_event",
    params(("contact_id" = i64, Path), OnceParams), request_body = EventInput,
    responses(
        (status = ACCEPTED, body = EventView),
        (status = CONFLICT, description = "The first request with this key is still running"),
    )
)]
pub(in crate::http) async fn tell(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ContactId>,
    once: Once,
    mut body: Body,
) -> Result<Response> {
    let once = once.with(&body);
    let (name, payload) = read(&mut body);
    body.finish()?;
    // `finish` has refused a body without a name.
    let Some(event_type) = name else { return Err(Problem::internal(&"an event without a name")) };
    let view = EventView { contact_id: id.0, name: event_type.as_str().to_owned() };
    let taken = |view| Ok((StatusCode::ACCEPTED, Json(view)));
    match once.begin(&app, current.id).await? {
        Begun::First(mut tx, ticket) => {
            let told = async {
                let contact = tx.contact(current.id, id).await?.ok_or_else(|| Problem::not_found("contact"))?;
                if let Some(key) = ticket.key() {
                    tx.note_resource(key, id.0).await?;
                }
                app.work.tell(tx, &contact, event_type, payload).await?;
                taken(view)
            };
            let told = told.await;
            Ok(ticket.answer(&app, told).await)
        }
        Begun::Untold(_, ticket) => Ok(ticket.answer(&app, taken(view)).await),
        Begun::Answered(response) => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<EventInput>(|body| drop(read(body)));
    }
}
