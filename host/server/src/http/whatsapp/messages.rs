//! `GET /whatsapp/messages/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::{Address, BotId, Direction, MessageId};
use serde::Serialize;
use serde_json::Value;
use storage::{MessageFilter, MessageRow, Participation, Reaction};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        id::Id,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// A message of either direction.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::http) struct MessageView {
    id: i64,
    bot_id: i64,
    contact_id: i64,
    /// Phone number in digits, or business-scoped user id.
    contact_phone: String,
    /// `inbound` or `outbound`.
    direction: String,
    /// Message type, as Meta names it.
    r#type: String,
    /// Text, caption, or title of the chosen button or row.
    text: Option<String>,
    /// Id of the chosen button or row.
    reply_id: Option<String>,
    /// The type's own fields, as Meta names them.
    #[schema(value_type = Object)]
    content: Value,
    /// What it answers and whether it was forwarded: `id`, `from`, `forwarded`, `frequently_forwarded`,
    /// `referred_product`, as far as Meta tells.
    #[schema(value_type = Option<Object>)]
    context: Option<Value>,
    /// The advertisement that led to it, as Meta tells it.
    #[schema(value_type = Option<Object>)]
    referral: Option<Value>,
    /// The group it was written in.
    group_id: Option<String>,
    /// Whether the business sent it from its own phone, past the bot.
    is_echo: bool,
    /// `received`; or `queued`, `sending`, `accepted`, `sent`, `delivered`, `read`, `played`, `failed`.
    status: String,
    /// Meta's id.
    whatsapp_message_id: Option<String>,
    /// Meta's id of the message it answers.
    context_message_id: Option<String>,
    /// What went wrong last, or what is wrong with a message that came in, e.g. that its file cannot be had: `code`,
    /// `title`, `details`.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    /// The execution that sent it.
    execution_id: Option<i64>,
    /// How often it was handed to Meta.
    attempts: i64,
    /// How often it was handed to Meta again although the try before may have gone out.
    ambiguous_attempts: i64,
    /// When the contact wrote it, by Meta's clock.
    message_timestamp: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// When Meta took it.
    accepted_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    /// When a voice message was played.
    played_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    /// When its writer last edited it.
    edited_at: Option<DateTime<Utc>>,
    /// When its writer deleted it.
    deleted_at: Option<DateTime<Utc>>,
    /// The reactions to it.
    reactions: Vec<ReactionView>,
    /// How far it got with each member of the group it was sent to.
    participants: Vec<ParticipantView>,
}

/// A reaction to a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reaction)]
pub(in crate::http) struct ReactionView {
    contact_id: i64,
    emoji: String,
    at: DateTime<Utc>,
}

/// How far a message got with one member of a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Participant)]
pub(in crate::http) struct ParticipantView {
    /// The member's phone number or business-scoped user id.
    participant: String,
    /// `sent`, `delivered`, `read`, `played` or `failed`.
    status: String,
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    played_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
}

impl From<MessageRow> for MessageView {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id.0,
            bot_id: row.bot_id.0,
            contact_id: row.contact_id.0,
            contact_phone: row.phone.or(row.bsuid).unwrap_or_default(),
            direction: row.direction,
            r#type: row.r#type,
            text: row.text,
            reply_id: row.reply_id,
            content: row.content.0,
            status: row.status,
            whatsapp_message_id: row.wamid,
            context_message_id: row.context_wamid,
            error: row.error.map(|error| error.0),
            execution_id: row.execution_id,
            attempts: row.attempts,
            ambiguous_attempts: row.ambiguous,
            context: row.context.map(|context| context.0),
            referral: row.referral.map(|referral| referral.0),
            group_id: row.group_id,
            is_echo: row.is_echo,
            message_timestamp: row.message_timestamp,
            created_at: row.created_at,
            accepted_at: row.accepted_at,
            sent_at: row.sent_at,
            delivered_at: row.delivered_at,
            read_at: row.read_at,
            played_at: row.played_at,
            failed_at: row.failed_at,
            edited_at: row.edited_at,
            deleted_at: row.deleted_at,
            reactions: Vec::new(),
            participants: Vec::new(),
        }
    }
}

impl From<&Reaction> for ReactionView {
    fn from(reaction: &Reaction) -> Self {
        Self { contact_id: reaction.contact_id.0, emoji: reaction.emoji.clone(), at: reaction.at }
    }
}

impl From<&Participation> for ParticipantView {
    fn from(one: &Participation) -> Self {
        Self {
            participant: one.participant.clone(),
            status: one.status.clone(),
            error: one.error.as_ref().map(|error| error.0.clone()),
            sent_at: one.sent_at,
            delivered_at: one.delivered_at,
            read_at: one.read_at,
            played_at: one.played_at,
            failed_at: one.failed_at,
        }
    }
}

const DIRECTIONS: &[(&str, Direction)] = &[("inbound", Direction::Inbound), ("outbound", Direction::Outbound)];

/// A bot's messages, newest first.
#[utoipa::path(
    get, path = "/whatsapp/messages/{bot_id}", tag = "whatsapp", operation_id = "list_messages",
    params(
        ("bot_id" = i64, Path),
        ("contact" = Option<String>, Query, description = "Only of this contact: phone number or business-scoped user id"),
        ("direction" = Option<String>, Query, description = "`inbound` or `outbound`"),
        Paging,
    ),
    responses((status = OK, body = List<MessageView>))
)]
pub(in crate::http) async fn messages(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(bot): Id<BotId>,
    Query(mut query): Query,
) -> Result<Json<List<MessageView>>> {
    let contact =
        query.text("contact").and_then(|text| Address::parse(&text).map_err(|error| error.to_string())).optional();
    let direction = query.choice("direction", DIRECTIONS).optional();
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    let filter = MessageFilter { contact: contact.map(|contact| contact.to_string()), direction };
    let page = tx.list_messages(bot, &filter, paging.limit, paging.skip).await?;
    let ids: Vec<MessageId> = page.items.iter().map(|row| row.id).collect();
    let reactions = tx.reactions(&ids).await?;
    let participations = tx.participations(&ids).await?;
    Ok(Json(paging.envelope(page, |row| {
        let id = row.id;
        let reactions = reactions.iter().filter(|reaction| reaction.message_id == id).map(ReactionView::from);
        let participants = participations.iter().filter(|one| one.message_id == id).map(ParticipantView::from);
        let (reactions, participants) = (reactions.collect(), participants.collect());
        MessageView { reactions, participants, ..MessageView::from(row) }
    })))
}
