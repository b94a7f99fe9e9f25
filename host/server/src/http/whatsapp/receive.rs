//! `POST /whatsapp/webhook`: what Meta has to tell. Answered when it is durable, not before.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
};
use domain::MessageId;
use storage::StatusReport;
use whatsapp::{
    signature,
    webhook::{self, Batch, Status, UpdateKind},
};

use crate::{
    app::App,
    config::SecretText,
    http::problem::{Kind, Problem, Result},
    ingest::{Addressed, Routes},
    metrics,
};

/// Most bytes of a webhook. Meta sends up to 3 MB.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Take in what Meta has to tell.
///
/// 200 means that all of it is stored. A repeated delivery changes nothing.
#[utoipa::path(
    post, path = "/whatsapp/webhook", tag = "whatsapp", operation_id = "receive_webhook", security(()),
    params(("X-Hub-Signature-256" = String, Header, description = "`sha256=` and the HMAC of the body with the app secret")),
    request_body(content = Object, content_type = "application/json", description = "A webhook payload of the WhatsApp Business Platform"),
    responses(
        (status = OK, description = "Everything is stored"),
        (status = UNAUTHORIZED, description = "No valid signature; nothing is stored"),
    )
)]
pub(in crate::http) async fn receive(State(app): State<Arc<App>>, request: Request) -> Result<StatusCode> {
    let (parts, body) = request.into_parts();
    let header = parts.headers.get(signature::HEADER).and_then(|value| value.to_str().ok());
    if header.is_none() {
        return Err(refused("the header X-Hub-Signature-256 is missing"));
    }
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::new(Kind::TOO_LARGE, format!("a webhook may have at most {BODY_BYTES_MAX} bytes")))?;
    let mut signed = Signed::new(app.work.routes(), &body, header);
    let by_environment = signed.by_environment();
    let batch = match webhook::parse(&body, app.clock.now()) {
        Ok(batch) => batch,
        Err(error) if by_environment => return Err(Problem::new(Kind::MALFORMED, error.to_string())),
        // Which bot's secret it should be signed with is not to be told from it.
        Err(_) => return Err(refused(signed.hint())),
    };
    let (messages, statuses) = sort(&mut signed, batch).await?;
    if !signed.is_valid() {
        return Err(refused(signed.hint()));
    }
    metrics::count(metrics::WEBHOOKS);
    app.work.ingest().take(messages, statuses).await?;
    if signed.foreign > 0 {
        // What is signed rightly is stored. The rest comes again, and can be taken once the secret is set right.
        return Err(refused("a part of the body is for a bot with another app secret"));
    }
    Ok(StatusCode::OK)
}

fn refused(why: &str) -> Problem {
    metrics::count(metrics::REFUSED);
    Problem::new(Kind::UNAUTHENTICATED, why)
}

/// A body with its signature, checked once for each secret that comes into question.
struct Signed<'a> {
    routes: &'a Routes,
    body: &'a Bytes,
    header: Option<&'a str>,
    checked: HashMap<String, bool>,
    /// Phone numbers in the body whose bot has another secret.
    foreign: usize,
}

impl<'a> Signed<'a> {
    fn new(routes: &'a Routes, body: &'a Bytes, header: Option<&'a str>) -> Self {
        Self { routes, body, header, checked: HashMap::new(), foreign: 0 }
    }

    fn by(&mut self, secret: &SecretText) -> bool {
        let (body, header) = (self.body, self.header);
        let check = || signature::verify(secret.reveal(), body, header);
        *self.checked.entry(secret.reveal().to_owned()).or_insert_with(check)
    }

    fn by_environment(&mut self) -> bool {
        let secret = self.routes.global_secret();
        secret.is_some_and(|secret| self.by(secret))
    }

    /// Whether any secret of ours fits.
    fn is_valid(&self) -> bool {
        self.checked.values().any(|fits| *fits)
    }

    fn hint(&self) -> &'static str {
        if self.checked.is_empty() {
            "there is no app secret to check the signature with: set WHATSAPP_APP_SECRET, or the bot's whatsapp_app_secret"
        } else {
            "the signature does not fit the body and the app secret"
        }
    }
}

/// Sorts the updates of a batch into what is stored. An update is taken only if the secret of *its* bot signed the
/// body: who knows the secret of one bot must not speak for another.
async fn sort(signed: &mut Signed<'_>, batch: Batch) -> Result<(Vec<Addressed>, Vec<StatusReport>)> {
    let (mut messages, mut statuses) = (Vec::new(), Vec::new());
    let mut bots = HashMap::new();
    let mut odd = batch.odd.len();
    for piece in &batch.odd {
        tracing::warn!(at = %piece.at, reason = piece.reason, "a piece of a webhook cannot be read");
    }
    for update in batch.updates {
        let Some(number) = update.phone_number_id else {
            metrics::count(metrics::OTHER_FIELD);
            continue;
        };
        let bot = match bots.get(&number) {
            Some(bot) => *bot,
            None => {
                let bot = route(signed, &number).await?;
                bots.insert(number.clone(), bot);
                bot
            }
        };
        let Some(bot_id) = bot else { continue };
        match update.kind {
            UpdateKind::Message(inbound) if inbound.from.is_none() && inbound.bsuid.is_none() => odd += 1,
            UpdateKind::Message(inbound) => {
                messages.push(Addressed { bot_id, phone_number_id: number, inbound: *inbound });
            }
            UpdateKind::Status(status) => statuses.extend(report(number, *status)),
            UpdateKind::Errors { .. } | UpdateKind::Account { .. } => metrics::count(metrics::OTHER_FIELD),
        }
    }
    metrics::add(metrics::ODD, odd);
    Ok((messages, statuses))
}

/// The bot of a phone number id, if it has one and the body is signed with that bot's secret.
async fn route(signed: &mut Signed<'_>, number: &str) -> Result<Option<domain::BotId>> {
    let mut found = signed.routes.find(number, false).await?;
    let fits = |signed: &mut Signed<'_>, secret: Option<&SecretText>| secret.is_some_and(|secret| signed.by(secret));
    if found.as_ref().is_some_and(|route| !fits(signed, route.app_secret.as_ref())) {
        // The secret may have been replaced a moment ago.
        found = signed.routes.find(number, true).await?;
    }
    Ok(match found {
        Some(route) if fits(signed, route.app_secret.as_ref()) => Some(route.bot_id),
        Some(route) => {
            tracing::warn!(phone_number_id = number, bot.id = %route.bot_id, "an update is not signed with the app secret of its bot");
            signed.foreign += 1;
            None
        }
        None => {
            if signed.is_valid() {
                metrics::count(metrics::UNKNOWN_NUMBER);
                tracing::warn!(phone_number_id = number, "an update for a phone number id that no bot has");
            }
            None
        }
    })
}

fn report(phone_number_id: String, status: Status) -> Option<StatusReport> {
    let Some(stage) = status.status else {
        tracing::debug!(status = %status.status_word, "a delivery status of a kind unknown to us");
        return None;
    };
    Some(StatusReport {
        phone_number_id,
        wamid: status.wamid,
        message_id: status.callback_data.as_deref().and_then(|data| data.parse().ok()).map(MessageId),
        status: stage,
        at: status.at,
        error: status.error,
    })
}
