//! What is measured: what servers do with messages, as they do it.

use chrono::TimeDelta;
use domain::{BotId, ContactId, DeliveryStatus, Direction, ExecutionId, Time, TriggerId, UserId};
use serde_json::json;
use storage::{Aging, Db, MessageFilter, NewInbound, Result, StatusReport};

use crate::phone;

/// What there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) owner: UserId,
    pub(crate) bot: BotId,
    pub(crate) trigger: TriggerId,
    pub(crate) first_contact: ContactId,
    pub(crate) contacts: i64,
    pub(crate) messages: i64,
    pub(crate) now: Time,
}

/// Something that a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    TakeIn,
    TakeInAgain,
    FoldStatus,
    LoadContacts,
    Unsent,
    RecentSends,
    ListMessages,
    ListMessagesOfContact,
    ListExecutions,
    ReadLog,
    ListTriggerLogs,
    PurgeMessages,
    PurgeSteps,
    PurgeExecutions,
}

/// All of them.
pub(crate) const VERBS: [Verb; 14] = [
    Verb::TakeIn,
    Verb::TakeInAgain,
    Verb::FoldStatus,
    Verb::LoadContacts,
    Verb::Unsent,
    Verb::RecentSends,
    Verb::ListMessages,
    Verb::ListMessagesOfContact,
    Verb::ListExecutions,
    Verb::ReadLog,
    Verb::ListTriggerLogs,
    Verb::PurgeMessages,
    Verb::PurgeSteps,
    Verb::PurgeExecutions,
];

/// Contacts that one transaction of the runner deals with.
const BATCH: i64 = 128;

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TakeIn => "take in a new message",
            Self::TakeInAgain => "take in a repetition",
            Self::FoldStatus => "fold a delivery report",
            Self::LoadContacts => "load executions of 128 contacts",
            Self::Unsent => "look for unsent of 128 contacts",
            Self::RecentSends => "recent sends of 128 contacts",
            Self::ListMessages => "list messages of a bot",
            Self::ListMessagesOfContact => "list messages of a contact",
            Self::ListExecutions => "list executions of a contact",
            Self::ReadLog => "read a step log",
            Self::ListTriggerLogs => "list the log of a trigger",
            Self::PurgeMessages => "purge 500 messages",
            Self::PurgeSteps => "purge 500 steps",
            Self::PurgeExecutions => "purge 500 executions",
        }
    }

    /// Whether it tells how many there are, which takes the longer the more there are.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::ListMessages | Self::ListTriggerLogs)
    }
}

/// Does it once; `nth` picks whom it is about. Nothing is kept of it.
pub(crate) async fn run(db: &Db, world: &World, verb: Verb, nth: u32) -> Result<()> {
    // Far apart, and everywhere.
    let spread = i64::from(nth) * 7_919;
    let person = spread % world.contacts;
    let contacts: Vec<ContactId> =
        (0..BATCH).map(|n| ContactId(world.first_contact.0 + (spread + n * 613) % world.contacts)).collect();
    let message = spread % world.messages;
    let old = world.now - TimeDelta::days(30);
    let mut tx = db.begin().await?;
    match verb {
        Verb::TakeIn => {
            tx.insert_inbound(&[inbound(world, contacts[0], format!("wamid.new.{nth}"))], world.now).await?;
        }
        Verb::TakeInAgain => {
            let known = format!("wamid.made-up.{}", message / 2 * 2);
            tx.insert_inbound(&[inbound(world, contacts[0], known)], world.now).await?;
        }
        Verb::FoldStatus => {
            let report = StatusReport {
                phone_number_id: "106540352242922".into(),
                wamid: format!("wamid.made-up.{}", message / 2 * 2 + 1),
                message_id: None,
                status: DeliveryStatus::Delivered,
                at: world.now,
                participant: None,
                error: None,
            };
            tx.fold_statuses(&[report], world.now).await?;
        }
        Verb::LoadContacts => drop(tx.live_executions(&contacts).await?),
        Verb::Unsent => drop(tx.unsent(&contacts).await?),
        Verb::RecentSends => drop(tx.recent_sends(&contacts, old).await?),
        Verb::ListMessages => drop(tx.list_messages(world.bot, &MessageFilter::default(), 50, 0).await?),
        Verb::ListMessagesOfContact => {
            let filter = MessageFilter { contact: Some(phone(person)), direction: Some(Direction::Inbound) };
            tx.list_messages(world.bot, &filter, 50, 0).await?;
        }
        Verb::ListExecutions => {
            tx.list_executions(world.owner, Some(world.bot), &phone(person), 50, 0).await?;
        }
        Verb::ReadLog => drop(tx.list_steps(ExecutionId(1 + message / 10), 50, 0).await?),
        Verb::ListTriggerLogs => drop(tx.trigger_logs(world.trigger, 50, 0).await?),
        Verb::PurgeMessages => {
            tx.purge(Aging::Messages, (message / 2, 0), old).await?;
        }
        Verb::PurgeSteps => {
            tx.purge(Aging::Steps, (message / 20, 0), old).await?;
        }
        Verb::PurgeExecutions => {
            tx.purge(Aging::Executions, (message / 20, 0), old).await?;
        }
    }
    tx.rollback().await
}

fn inbound(world: &World, contact_id: ContactId, wamid: String) -> NewInbound {
    NewInbound {
        bot_id: world.bot,
        contact_id,
        phone_number_id: "106540352242922".into(),
        wamid: Some(wamid),
        context_wamid: None,
        kind: "text".into(),
        text: Some("hi".into()),
        reply_id: None,
        content: json!({ "body": "hi" }),
        context: None,
        referral: None,
        error: None,
        group_id: None,
        is_echo: false,
        raw: None,
        timestamp: world.now,
    }
}
