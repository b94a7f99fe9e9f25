//! What the three commits of a message cost on SQLite, by how many messages share them. The reference is a commit that
//! changes one row, on the same disk with the same flushes.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

use std::{cell::Cell, collections::HashMap, ops::Range, process::ExitCode, rc::Rc};

use chrono::TimeDelta;
use domain::{
    BotId, ContactId, DeliveryStatus, Execution, ExecutionId, ExecutionStatus, FlowId, HostId, HostRole, JsonMap,
    MessageId, Time,
};
use measure::{Bench, Operation};
use serde_json::json;
use storage::{
    Arrival, BotSettings, Db, ItemKind, Json, NewExecution, NewInbound, NewItem, NewOutbound, NewUser, SendResult,
    Settled, Sighting, StepRow,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Contacts that write by turns.
const CONTACTS: usize = 512;
const NUMBER: &str = "106540352242922";

fn now() -> Time {
    Time::from_timestamp(1_780_000_000, 0).unwrap()
}

/// A database on the disk, with a bot and a host.
struct World {
    runtime: Runtime,
    db: Db,
    bot: BotId,
    flow: FlowId,
    host: HostId,
    /// Messages so far.
    count: Cell<usize>,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("bench.db").display());
        let (db, bot, host) = runtime.block_on(async {
            let db = Db::connect(&url).await.unwrap();
            db.migrate().await.unwrap();
            let mut tx = db.begin().await.unwrap();
            let new = NewUser { username: "ada", email: "ada@example.com", full_name: None, password_hash: "x" };
            let owner = tx.create_user(new, now()).await.unwrap();
            let settings = BotSettings { name: "b".into(), timezone: "UTC".into(), ..BotSettings::default() };
            let bot = tx.create_bot(owner.id, &settings, now()).await.unwrap();
            let lease = now() + TimeDelta::days(1);
            let host = tx.register_host("bench", HostRole::All, now(), lease).await.unwrap();
            tx.commit().await.unwrap();
            (db, bot.id, host)
        });
        let world = Self { runtime, db, bot, flow: FlowId(1), host, count: Cell::new(0), _folder: folder };
        // Whoever writes is known.
        world.runtime.block_on(async {
            let mut tx = world.db.begin().await.unwrap();
            tx.see_contacts(&world.sightings(0..CONTACTS), now()).await.unwrap();
            tx.commit().await.unwrap();
        });
        world
    }

    fn sightings(&self, numbers: Range<usize>) -> Vec<Sighting> {
        let sighting = |number: usize| Sighting {
            bot_id: self.bot,
            phone: Some(format!("4917{:08}", number % CONTACTS)),
            bsuid: None,
            username: None,
            name: Some("Ada Lovelace".into()),
            at: now() + TimeDelta::milliseconds(i64::try_from(number).unwrap()),
            announces: true,
            opens_window: true,
        };
        numbers.map(sighting).collect()
    }

    /// The smallest commit there is.
    async fn renew(&self) {
        let mut tx = self.db.begin().await.unwrap();
        assert!(tx.renew_lease(self.host, now() + TimeDelta::days(1)).await.unwrap());
        tx.commit().await.unwrap();
    }

    /// So many messages come in, are answered by a flow, and the answers are accepted by Meta.
    async fn journey(&self, messages: usize) {
        let first = self.count.replace(self.count.get() + messages);
        let contacts = self.ingest(first, messages).await;
        let sent = self.sprint(&contacts).await;
        let accepted = |id: &MessageId| (*id, SendResult::Accepted { wamid: Some(format!("wamid.out.{id}")) });
        let mut tx = self.db.begin().await.unwrap();
        tx.store_send_results(&sent.iter().map(accepted).collect::<Vec<_>>(), now()).await.unwrap();
        let locked = tx.lock_mailboxes(self.host, &contacts).await.unwrap();
        let settled = contacts.iter().map(|contact| settled(*contact, 0, 0)).collect::<Vec<_>>();
        assert!(tx.settle_mailboxes(&locked, &settled).await.unwrap().is_empty(), "nothing is left to do");
        tx.commit().await.unwrap();
    }

    async fn ingest(&self, first: usize, messages: usize) -> Vec<ContactId> {
        let numbers = first..first + messages;
        let sightings = self.sightings(numbers.clone());
        let mut tx = self.db.begin().await.unwrap();
        let seen = tx.see_contacts(&sightings, now()).await.unwrap().contacts;
        let contacts: Vec<ContactId> = seen.iter().map(|seen| seen.id).collect();
        let rows: Vec<NewInbound> =
            contacts.iter().zip(numbers).map(|(id, number)| self.inbound(*id, number)).collect();
        let ids = tx.insert_inbound(&rows, now()).await.unwrap();
        let item = |(contact_id, message_id): (&ContactId, &Option<MessageId>)| NewItem {
            contact_id: *contact_id,
            kind: ItemKind::Message,
            message_id: *message_id,
            execution_id: None,
            payload: None,
        };
        tx.add_items(&contacts.iter().zip(&ids).map(item).collect::<Vec<_>>(), now()).await.unwrap();
        let arrival = |contact_id: &ContactId| Arrival { contact_id: *contact_id, bot_id: self.bot, count: 1, open: 0 };
        let arrivals: Vec<Arrival> = contacts.iter().map(arrival).collect();
        tx.note_arrivals(&arrivals, Some(self.host), now()).await.unwrap();
        tx.commit().await.unwrap();
        contacts
    }

    async fn sprint(&self, contacts: &[ContactId]) -> Vec<MessageId> {
        let mut tx = self.db.begin().await.unwrap();
        let locked = tx.lock_mailboxes(self.host, contacts).await.unwrap();
        let items: HashMap<_, _> = tx.items(contacts, 10).await.unwrap();
        let items: Vec<_> = items.values().flatten().map(|item| item.id).collect();
        assert_eq!(items.len(), contacts.len());
        tx.remove_items(&items).await.unwrap();
        let first = tx.reserve_execution_ids(i64::try_from(contacts.len()).unwrap()).await.unwrap();
        let executions: Vec<NewExecution> = (first..)
            .zip(contacts)
            .map(|(id, contact)| NewExecution { execution: self.execution(id, *contact), trigger_id: None })
            .collect();
        tx.save_executions(&executions).await.unwrap();
        let steps: Vec<StepRow> = executions.iter().flat_map(|new| steps(new.execution.id)).collect();
        tx.append_steps(&steps).await.unwrap();
        let messages: Vec<NewOutbound> = executions.iter().map(|new| outbound(&new.execution)).collect();
        let ids = tx.insert_outbound(&messages, now()).await.unwrap();
        let settled: Vec<Settled> = contacts.iter().map(|contact| settled(*contact, 1, 1)).collect();
        tx.settle_mailboxes(&locked, &settled).await.unwrap();
        tx.commit().await.unwrap();
        ids
    }

    fn inbound(&self, contact_id: ContactId, number: usize) -> NewInbound {
        NewInbound {
            bot_id: self.bot,
            contact_id,
            phone_number_id: NUMBER.into(),
            wamid: Some(format!("wamid.{number:056}")),
            context_wamid: None,
            kind: "text".into(),
            text: Some("Hello, do you still have the small one in blue?".into()),
            reply_id: None,
            content: json!({"body": "Hello, do you still have the small one in blue?"}),
            context: None,
            referral: None,
            error: None,
            group_id: None,
            is_echo: false,
            raw: Some("x".repeat(300)),
            timestamp: now(),
        }
    }

    fn execution(&self, id: i64, contact_id: ContactId) -> Execution {
        Execution {
            id: ExecutionId(id),
            bot_id: self.bot,
            contact_id,
            flow_id: self.flow,
            flow_version: 1,
            status: ExecutionStatus::Completed,
            current_node: Some(0),
            state: JsonMap::new(),
            message: None,
            depth: 0,
            steps: 3,
            turn: 0,
            wake_at: None,
            effect: None,
            visit: None,
            error: None,
            started_at: now(),
            updated_at: now(),
            completed_at: Some(now()),
        }
    }
}

fn settled(contact_id: ContactId, handled: i64, open: i64) -> Settled {
    Settled { contact_id, handled, open: Some(open), wake_at: None, held_until: None }
}

/// The log of a flow that says one thing.
fn steps(execution_id: ExecutionId) -> impl Iterator<Item = StepRow> {
    let log = [(None, "flow", "started"), (Some(0), "send_message", "sent"), (None, "flow", "completed")];
    (0..).zip(log).map(move |(seq, (node, kind, event))| StepRow {
        execution_id,
        seq,
        node,
        r#type: kind.into(),
        event: event.into(),
        detail: Json(json!({"exit": "next", "to": null})),
        duration_us: 12,
        at: now(),
    })
}

fn outbound(execution: &Execution) -> NewOutbound {
    NewOutbound {
        bot_id: execution.bot_id,
        contact_id: execution.contact_id,
        execution_id: Some(execution.id),
        node: Some(0),
        turn: 0,
        phone_number_id: NUMBER.into(),
        kind: "text".into(),
        content: json!({"body": "Yes, we do."}),
        text: Some("Yes, we do.".into()),
        fallback: None,
        status: DeliveryStatus::Sending,
        error: None,
    }
}

fn main() -> ExitCode {
    let world = Rc::new(World::new());
    let journey = |name, messages| {
        let world = world.clone();
        let prepare = move || {
            let world = world.clone();
            move || world.runtime.block_on(world.journey(messages))
        };
        Operation::new(name, prepare)
    };
    let one = world.clone();
    let renew = move || {
        let world = one.clone();
        move || world.runtime.block_on(world.renew())
    };
    Bench::new(env!("CARGO_MANIFEST_DIR"), "batches")
        .beside(Operation::new("commit_of_one_row", renew))
        .operation(journey("journey_of_1", 1))
        .operation(journey("journey_of_64", 64))
        .operation(journey("journey_of_256", 256).timed_only())
        .main()
}
