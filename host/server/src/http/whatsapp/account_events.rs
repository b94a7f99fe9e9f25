//! `GET /whatsapp/account-events`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::BotId;
use serde::Serialize;
use serde_json::value::RawValue;
use storage::AccountEventRow;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// Something that Meta told of a bot's account, number, templates or people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountEvent)]
pub(in crate::http) struct AccountEventView {
    id: i64,
    bot_id: i64,
    /// Meta's id of the number, where it is told.
    phone_number_id: Option<String>,
    /// The WhatsApp Business Account.
    whatsapp_business_account_id: Option<String>,
    /// Name of the webhook field, e.g. `message_template_status_update`.
    field: String,
    /// Its value as Meta sent it.
    #[schema(value_type = Value)]
    payload: Option<Box<RawValue>>,
    /// When Meta sent it, where it is told.
    sent_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<AccountEventRow> for AccountEventView {
    fn from(row: AccountEventRow) -> Self {
        Self {
            id: row.id,
            bot_id: row.bot_id.0,
            phone_number_id: row.phone_number_id,
            whatsapp_business_account_id: row.waba_id,
            field: row.field,
            payload: RawValue::from_string(row.payload).ok(),
            sent_at: row.sent_at,
            created_at: row.created_at,
        }
    }
}

/// Which events to list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query; account_events reads it")]
pub(in crate::http) struct AccountEventParams {
    /// The bot concerned.
    bot_id: i64,
    /// Only of this webhook field.
    #[param(required = false)]
    field: String,
}

/// What Meta told of a bot's account beside messages and delivery reports, newest first.
#[utoipa::path(
    get, path = "/whatsapp/account-events", tag = "whatsapp", operation_id = "list_account_events",
    params(AccountEventParams, Paging),
    responses((status = OK, body = List<AccountEventView>), (status = NOT_FOUND, description = "No such bot"))
)]
pub(in crate::http) async fn account_events(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<AccountEventView>>> {
    let bot = query.id::<BotId>("bot_id").needed();
    let field = query.text("field").optional();
    let paging = Paging::read(&mut query);
    query.finish()?;
    // The query was read to its end, so it is there.
    let Some(bot) = bot else { return Err(Problem::internal(&"a bot was expected")) };
    let mut tx = app.db.read().await?;
    tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    let page = tx.account_events(bot, field.as_deref(), paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(page, AccountEventView::from)))
}
