//! `POST /whatsapp/webhook`: what Meta has to tell. Answered when it is durable, not before.

use std::{collections::HashMap, sync::Arc};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::StatusCode,
};
use domain::{BotId, MessageId};
use storage::{NumberFacts, StatusReport};
use whatsapp::{
    signature,
    webhook::{self, AccountEvent, AccountUpdate, Batch, Inbound, OddKind, Status, Update, UpdateKind},
};

use crate::{
    app::App,
    config::SecretText,
    http::problem::{Kind, Problem, Result},
    ingest::{Addressed, Intake, Notice, Route, Routes},
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
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
        metrics::count(metrics::BODY_REFUSED);
        Problem::new(Kind::TOO_LARGE, format!("a webhook may have at most {BODY_BYTES_MAX} bytes"))
    })?;
    let mut signed = Signed::new(app.work.routes(), &body, header);
    let by_environment = signed.by_environment();
    let mut batch = match webhook::parse(&body, app.clock.now()) {
        Ok(batch) => batch,
        Err(error) if by_environment => {
            metrics::count(metrics::BODY_REFUSED);
            return Err(Problem::new(Kind::MALFORMED, error.to_string()));
        }
        // Which bot's secret it should be signed with is not to be told from it.
        Err(_) => return Err(refused(signed.hint())),
    };
    let odd = std::mem::take(&mut batch.odd);
    let intake = sort(&mut signed, batch).await?;
    if !signed.is_valid() {
        return Err(refused(signed.hint()));
    }
    metrics::count(metrics::WEBHOOKS);
    for piece in &odd {
        metrics::count_odd(piece.kind);
        tracing::warn!(at = %piece.at, kind = piece.kind.as_str(), "a piece of a webhook is not as documented");
    }
    app.work.ingest().take(intake).await?;
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
async fn sort(signed: &mut Signed<'_>, batch: Batch) -> Result<Intake> {
    let mut intake = Intake::default();
    let mut bots: HashMap<String, Option<Route>> = HashMap::new();
    for update in batch.updates {
        let Some(number) = update.phone_number_id.clone() else {
            if let UpdateKind::Account(event) = update.kind {
                intake.notices.extend(of_account(signed, update.waba_id, *event).await?);
            }
            continue;
        };
        let bot = match bots.get(&number) {
            Some(bot) => bot.clone(),
            None => {
                let bot = route(signed, &number).await?;
                if bot.is_some() {
                    signed.routes.note(facts(&number, &update)).await?;
                }
                bots.insert(number.clone(), bot.clone());
                bot
            }
        };
        let Some(Route { bot_id, wishes, .. }) = bot else { continue };
        match update.kind {
            // Without an address there is no contact whose message it could be.
            UpdateKind::Message(inbound) if inbound.from.is_none() && inbound.bsuid.is_none() => {
                intake.notices.push(of_nobody(bot_id, number, update.waba_id, *inbound));
            }
            UpdateKind::Message(inbound) => {
                let (inbound, is_echo) = (*inbound, false);
                intake.messages.push(Addressed { bot_id, phone_number_id: number, inbound, is_echo, wishes });
            }
            UpdateKind::Echo(echo) if echo.to.is_none() && echo.to_bsuid.is_none() => {
                metrics::count_odd(OddKind::NoSender);
                intake.notices.push(of_nobody(bot_id, number, update.waba_id, echo.message));
            }
            UpdateKind::Echo(echo) => {
                let inbound = Inbound { from: echo.to, bsuid: echo.to_bsuid, ..echo.message };
                intake.messages.push(Addressed { bot_id, phone_number_id: number, inbound, is_echo: true, wishes });
            }
            UpdateKind::Status(status) => intake.statuses.extend(report(number, *status)),
            UpdateKind::Account(event) => {
                let (phone_number_id, waba_id) = (Some(number), update.waba_id);
                intake.notices.push(Notice { bot_id, phone_number_id, waba_id, event: *event });
            }
        }
    }
    Ok(intake)
}

/// A message that is nobody's, kept as an event.
fn of_nobody(bot_id: BotId, number: String, waba_id: Option<String>, message: Inbound) -> Notice {
    let (value, sent_at) = (message.raw, Some(message.timestamp));
    let event = AccountEvent { field: "messages".into(), value, sent_at, updates: Vec::new() };
    Notice { bot_id, phone_number_id: Some(number), waba_id, event }
}

/// What an update tells of its number.
fn facts(number: &str, update: &Update) -> NumberFacts {
    let digits = update.display_phone_number.as_deref().map(|text| text.chars().filter(char::is_ascii_digit).collect());
    NumberFacts {
        phone_number_id: number.to_owned(),
        waba_id: update.waba_id.clone(),
        display_phone_number: digits.filter(|digits: &String| !digits.is_empty()),
    }
}

/// An event of a whole account, for each of its bots whose secret signed the body; of one that names a number, only for
/// the bot of that number, if it is known.
async fn of_account(signed: &mut Signed<'_>, waba_id: Option<String>, event: AccountEvent) -> Result<Vec<Notice>> {
    let Some(account) = waba_id.as_deref() else { return Ok(Vec::new()) };
    let number = event.updates.iter().find_map(|update| match update {
        AccountUpdate::NumberQuality { display_phone_number: Some(number), .. }
        | AccountUpdate::Account { phone_number: Some(number), .. } => Some(number.as_str()),
        _ => None,
    });
    let mut routes = signed.routes.of_account(account, number).await?;
    if routes.is_empty() {
        if signed.is_valid() {
            metrics::count(metrics::UNKNOWN_NUMBER);
            tracing::warn!(field = %event.field, "an update for a WhatsApp Business Account that no bot has");
        }
        return Ok(Vec::new());
    }
    routes.retain(|(route, _)| route.app_secret.as_ref().is_some_and(|secret| signed.by(secret)));
    if routes.is_empty() {
        tracing::warn!(field = %event.field, "an update of an account is signed with the app secret of none of its bots");
        signed.foreign += 1;
    }
    if routes.iter().any(|(_, is_named)| *is_named) {
        routes.retain(|(_, is_named)| *is_named);
    }
    let notice = |(route, _): (Route, bool)| Notice {
        bot_id: route.bot_id,
        phone_number_id: None,
        waba_id: waba_id.clone(),
        event: event.clone(),
    };
    Ok(routes.into_iter().map(notice).collect())
}

/// The bot of a phone number id, if it has one and the body is signed with that bot's secret.
async fn route(signed: &mut Signed<'_>, number: &str) -> Result<Option<Route>> {
    let mut found = signed.routes.find(number, false).await?;
    let fits = |signed: &mut Signed<'_>, secret: Option<&SecretText>| secret.is_some_and(|secret| signed.by(secret));
    if found.as_ref().is_some_and(|route| !fits(signed, route.app_secret.as_ref())) {
        // The secret may have been replaced a moment ago.
        found = signed.routes.find(number, true).await?;
    }
    Ok(match found {
        Some(route) if fits(signed, route.app_secret.as_ref()) => Some(route),
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
        participant: status.participant,
        error: status.error,
    })
}
