//! Webhook triggers without a plugin: JSON in, templates say what it means.

use axum::{
    Json,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use domain::{Fault, WebhookRule};
use engine::{
    Limits,
    triggers::{self, Meaning, Webhook},
};
use serde::Serialize;
use serde_json::{Map, Value};
use storage::TriggerRow;
use utoipa::ToSchema;

use super::{Call, signature};
use crate::{
    app::App,
    findings::{Fate, Findings},
    http::{
        problem::{Kind, Problem, Result},
        triggers::SIGNATURE_SECRET,
    },
};

/// What becomes of a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HookTaken)]
pub(in crate::http) struct Taken {
    /// How many events start flows.
    accepted: usize,
    /// One for each event, in order.
    events: Vec<TakenEvent>,
}

/// What becomes of one event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HookEventTaken)]
struct TakenEvent {
    /// `accepted`, `duplicate`, `passed_over` or `invalid`.
    status: &'static str,
    /// Why it is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) async fn take(app: &App, trigger: &TriggerRow, rule: &WebhookRule, call: &Call) -> Result<Response> {
    if ![Method::POST, Method::PUT, Method::PATCH].contains(&call.method) {
        return Err(Problem::new(Kind::METHOD_NOT_ALLOWED, "this trigger takes POST, PUT and PATCH"));
    }
    let now = app.clock.now();
    check_signature(app, trigger, rule, call)?;
    let body: Value = serde_json::from_slice(&call.body)
        .map_err(|error| Problem::new(Kind::MALFORMED, format!("the body is no JSON: {error}")))?;
    let webhook = Webhook::compile(rule).map_err(|_| Problem::internal(&"a stored webhook trigger is not valid"))?;
    let (headers, query) = (shown(&call.headers), query(call.query.as_deref()));
    let limits = Limits::default();
    let seen = triggers::Call { body: &body, headers: &headers, query: &query, now };
    let meanings = webhook.read(seen, &limits).map_err(|reason| refused(vec![Fault::new("", reason)]))?;
    let (mut events, mut faults) = (Vec::new(), Vec::new());
    for (n, meaning) in meanings.iter().enumerate() {
        match meaning {
            Meaning::Event(event) => events.push(event.clone()),
            Meaning::PassedOver => {}
            Meaning::Invalid(reason) => {
                let at = rule.items.as_ref().map(|items| format!("{items}/{n}")).unwrap_or_default();
                faults.push(Fault::new(at, reason.clone()));
            }
        }
    }
    if events.is_empty() && !faults.is_empty() {
        let reason = faults.iter().map(|fault| fault.detail.as_str()).next().unwrap_or_default().to_owned();
        app.work.note_failure(trigger, format!("a request could not be understood: {reason}")).await?;
        return Err(refused(faults));
    }
    let findings = Findings::check(events, &limits).map_err(|reason| refused(vec![Fault::new("", reason)]))?;
    let fates = match findings.is_empty() {
        true => Vec::new(),
        false => app.work.take_findings(trigger, findings, "a request came in").await?,
    };
    let taken = told(&meanings, fates);
    Ok((StatusCode::ACCEPTED, Json(taken)).into_response())
}

fn told(meanings: &[Meaning], fates: Vec<Fate>) -> Taken {
    let mut fates = fates.into_iter();
    let tell = |meaning: &Meaning| match meaning {
        Meaning::Event(_) => match fates.next() {
            Some(Fate::Accepted(_)) => TakenEvent { status: "accepted", reason: None },
            _ => TakenEvent { status: "duplicate", reason: None },
        },
        Meaning::PassedOver => TakenEvent { status: "passed_over", reason: None },
        Meaning::Invalid(reason) => TakenEvent { status: "invalid", reason: Some(reason.clone()) },
    };
    let events: Vec<TakenEvent> = meanings.iter().map(tell).collect();
    Taken { accepted: events.iter().filter(|event| event.status == "accepted").count(), events }
}

fn refused(faults: Vec<Fault>) -> Problem {
    Problem::invalid(faults)
}

fn check_signature(app: &App, trigger: &TriggerRow, rule: &WebhookRule, call: &Call) -> Result<()> {
    let Some(signed) = &rule.signature else { return Ok(()) };
    let sealed = trigger.hook_secret.as_deref().ok_or_else(|| Problem::internal(&"a trigger lacks its secret"))?;
    let secret = app.secrets.unseal(trigger.bot_id, SIGNATURE_SECRET, sealed);
    let secret = secret.map_err(|error| Problem::internal(&error))?;
    let checked = signature::check(signed, secret.reveal().as_bytes(), &call.headers, &call.body, app.clock.now());
    checked.map_err(|reason| Problem::new(Kind::UNAUTHENTICATED, reason))
}

/// Headers as templates see them: the last one of a name counts.
fn shown(headers: &HeaderMap) -> Value {
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?)))
    };
    Value::Object(headers.iter().filter_map(text).collect())
}

fn query(query: Option<&str>) -> Value {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    Value::Object(
        pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect::<Map<_, _>>(),
    )
}
