//! Triggers that requests and pollers fire, and what flows change of contacts.

use chrono::TimeDelta;
use domain::{
    Address, BotId, ContactId, Execution, ExecutionId, ExecutionStatus, JsonMap, PluginRule, TriggerId, TriggerRule,
    WebhookRule,
    plugin::{PluginVisit, PluginWait, TriggerKind},
};
use serde_json::json;
use storage::{ContactFields, Looked, NewExecution, TriggerFields, Tx};
use tests::{Migrated, each_database};

use super::{bot, flow, now, odd_json, user};

async fn trigger(tx: &mut Tx, name: &str, rule: TriggerRule) -> (BotId, TriggerId) {
    let owner = user(tx, name).await;
    let bot = bot(tx, &owner, "b").await;
    let flow_id = flow(tx, bot, "f").await;
    let fields = TriggerFields { flow_id, name: "t".into(), priority: 0, is_active: true, interrupt: false, rule };
    let made = tx.create_trigger(bot, &fields, now()).await.unwrap();
    assert_eq!(made.rule, fields.rule);
    (bot, made.id)
}

fn webhook() -> TriggerRule {
    TriggerRule::Webhook(WebhookRule { contact: "{{ body.phone }}".into(), ..WebhookRule::default() })
}

fn poller() -> TriggerRule {
    TriggerRule::Plugin(PluginRule {
        plugin: "trigger".into(),
        trigger_type: "feed".into(),
        kind: TriggerKind::Poller,
        config: odd_json(),
        listens_to: Vec::new(),
        interval_seconds: Some(60),
    })
}

async fn contact(tx: &mut Tx, bot: BotId, phone: &str) -> ContactId {
    let address = Address::Phone(phone.into());
    tx.ensure_contact(bot, &address, "api", now()).await.unwrap().id
}

each_database! {
    async fn a_hook_is_found_by_its_token_and_by_no_other(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (bot, id) = trigger(&mut tx, "ada", webhook()).await;
        assert!(tx.hook("one").await.unwrap().is_none());
        tx.set_hook_token(id, Some("one")).await.unwrap();
        let hook = tx.hook("one").await.unwrap().unwrap();
        assert_eq!((hook.trigger.id, hook.bot_is_active, hook.trigger.hook_secret), (id, true, None));
        tx.set_hook_token(id, Some("two")).await.unwrap();
        assert!(tx.hook("one").await.unwrap().is_none(), "the address before is gone");
        tx.set_hook_secret(id, Some("sealed")).await.unwrap();
        assert_eq!(tx.hook("two").await.unwrap().unwrap().trigger.hook_secret.as_deref(), Some("sealed"));
        let secrets = tx.hook_secrets(TriggerId(0), 10).await.unwrap();
        assert_eq!(secrets.iter().map(|s| (s.id, s.bot_id, s.hook_secret.as_str())).collect::<Vec<_>>(), [(id, bot, "sealed")]);
        assert!(tx.hook_secrets(id, 10).await.unwrap().is_empty());
        tx.set_hook_secret(id, None).await.unwrap();
        assert!(tx.hook_secrets(TriggerId(0), 10).await.unwrap().is_empty());
        let (_, other) = trigger(&mut tx, "bob", webhook()).await;
        assert!(matches!(tx.set_hook_token(other, Some("two")).await, Err(storage::Error::Conflict(_))));
    }

    async fn an_event_is_new_to_a_trigger_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, id) = trigger(&mut tx, "ada", webhook()).await;
        let (_, other) = trigger(&mut tx, "bob", webhook()).await;
        assert_eq!(tx.note_trigger_events(id, &[], now()).await.unwrap(), Vec::<String>::new());
        let mut fresh = tx.note_trigger_events(id, &["a", "b", "a"], now()).await.unwrap();
        fresh.sort();
        assert_eq!(fresh, ["a", "b"]);
        assert_eq!(tx.note_trigger_events(id, &["b", "c"], now() + TimeDelta::days(1)).await.unwrap(), ["c"]);
        assert_eq!(tx.note_trigger_events(other, &["a"], now()).await.unwrap(), ["a"], "each trigger has its own");
        tx.forget_trigger_events(id, now() + TimeDelta::hours(1)).await.unwrap();
        let mut fresh = tx.note_trigger_events(id, &["a", "b", "c"], now()).await.unwrap();
        fresh.sort();
        assert_eq!(fresh, ["a", "b"], "c is not old enough to be forgotten");
        tx.delete_trigger(id).await.unwrap();
        assert!(tx.note_trigger_events(id, &["x"], now()).await.is_err(), "they go with their trigger");
    }

    async fn a_poller_is_claimed_by_one_until_its_claim_ends(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, id) = trigger(&mut tx, "ada", poller()).await;
        assert_eq!(tx.next_poll_at().await.unwrap(), None);
        tx.set_poller(id, Some(now())).await.unwrap();
        assert_eq!(tx.next_poll_at().await.unwrap(), Some(now()));
        let until = now() + TimeDelta::minutes(3);
        assert!(tx.claim_poller(now() - TimeDelta::seconds(1), "a", until).await.unwrap().is_none());
        let due = tx.claim_poller(now(), "a", until).await.unwrap().unwrap();
        assert_eq!((due.trigger.id, due.bot_is_active, due.due_at, due.cursor, due.failures), (id, true, now(), None, 0));
        assert!(tx.claim_poller(now(), "b", until).await.unwrap().is_none());
        assert_eq!(tx.next_poll_at().await.unwrap(), Some(until), "whoever died is followed then");

        let looked = Looked { next_at: now() + TimeDelta::hours(1), cursor: Some(odd_json()), failures: 2 };
        assert!(!tx.end_look(id, "b", &looked).await.unwrap(), "nobody ends the look of another");
        let after = tx.claim_poller(until, "b", until + TimeDelta::minutes(3)).await.unwrap().unwrap();
        assert_eq!(after.trigger.id, id);
        assert!(!tx.end_look(id, "a", &looked).await.unwrap(), "the claim was lost");
        assert!(tx.end_look(id, "b", &looked).await.unwrap());
        let kept = tx.poller(id).await.unwrap().unwrap();
        assert_eq!((kept.next_at, &kept.cursor, kept.failures), (looked.next_at, &looked.cursor, 2));
        assert_eq!(tx.next_poll_at().await.unwrap(), Some(looked.next_at));
        tx.set_poller(id, Some(now())).await.unwrap();
        let kept = tx.poller(id).await.unwrap().unwrap();
        assert_eq!((kept.next_at, kept.cursor, kept.failures), (now(), Some(odd_json()), 0), "it keeps its cursor");
        tx.set_poller(id, None).await.unwrap();
        assert!(tx.poller(id).await.unwrap().is_none());
    }

    async fn a_poller_that_is_switched_off_is_passed_over(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (bot, id) = trigger(&mut tx, "ada", poller()).await;
        tx.set_poller(id, Some(now())).await.unwrap();
        let row = tx.triggers_of_bot(bot).await.unwrap().remove(0);
        let mut fields = TriggerFields {
            flow_id: row.flow_id, name: row.name, priority: 0, is_active: false, interrupt: false, rule: row.rule,
        };
        tx.update_trigger(id, &fields, now()).await.unwrap();
        assert_eq!(tx.next_poll_at().await.unwrap(), None);
        assert!(tx.claim_poller(now(), "a", now()).await.unwrap().is_none());
        fields.is_active = true;
        tx.update_trigger(id, &fields, now()).await.unwrap();
        assert!(tx.claim_poller(now(), "a", now()).await.unwrap().is_some());
    }

    async fn two_hosts_never_have_the_same_poller(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, id) = trigger(&mut tx, "ada", poller()).await;
        tx.set_poller(id, Some(now())).await.unwrap();
        tx.commit().await.unwrap();
        let claim = async |name: &str| {
            let mut tx = db.begin().await.unwrap();
            let due = tx.claim_poller(now(), name, now() + TimeDelta::minutes(1)).await.unwrap();
            tx.commit().await.unwrap();
            due.is_some()
        };
        let (a, b, c) = tokio::join!(claim("a"), claim("b"), claim("c"));
        assert_eq!([a, b, c].into_iter().filter(|had| *had).count(), 1);
    }

    async fn what_a_flow_changes_of_a_contact_leaves_the_rest_alone(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (bot, _) = trigger(&mut tx, "ada", webhook()).await;
        let (one, two) = (contact(&mut tx, bot, "1650555001").await, contact(&mut tx, bot, "1650555002").await);
        let fields = ContactFields {
            phone: Some("1650555001".into()), last_name: Some("Lovelace".into()), source: "api".into(),
            opted_in: false, ..ContactFields::default()
        };
        tx.update_contact(one, &fields, now()).await.unwrap();
        let mut locked = tx.lock_contacts(&[two, one]).await.unwrap();
        assert_eq!(locked.iter().map(|contact| contact.id).collect::<Vec<_>>(), [one, two], "in the order of their ids");
        assert!(tx.lock_contacts(&[]).await.unwrap().is_empty());
        let change: domain::plugin::ContactChange = serde_json::from_value(json!({
            "name": "Ada", "timezone": "Europe/London", "add_tags": ["vip"], "attributes": { "odd": odd_json() },
        })).unwrap();
        change.apply_to(&mut locked[0]);
        tx.write_contacts(&locked[..1], now() + TimeDelta::seconds(1)).await.unwrap();
        let stored = tx.contacts_by_ids(&[one]).await.unwrap().remove(0);
        assert_eq!((stored.name.as_deref(), stored.last_name.as_deref()), (Some("Ada"), Some("Lovelace")));
        assert_eq!((&stored.tags, stored.opted_in), (&vec!["vip".to_owned()], false));
        assert_eq!(stored.attributes["odd"], odd_json());
        assert_eq!(stored.updated_at, now() + TimeDelta::seconds(1));
        tx.name_contact(one, "Somebody", now()).await.unwrap();
        tx.name_contact(two, "Bob", now()).await.unwrap();
        let names: Vec<_> = tx.lock_contacts(&[one, two]).await.unwrap().into_iter().map(|c| c.name.unwrap()).collect();
        assert_eq!(names, ["Ada", "Bob"], "only who has no name gets one");
    }

    async fn a_visit_is_kept_and_who_waits_for_an_event_watches(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (bot, _) = trigger(&mut tx, "ada", webhook()).await;
        let (contact, other) = (contact(&mut tx, bot, "1650555001").await, contact(&mut tx, bot, "1650555002").await);
        assert!(!tx.watches_events(bot, contact).await.unwrap());
        let flow_id = tx.triggers_of_bot(bot).await.unwrap()[0].flow_id;
        let mut execution = Execution {
            id: ExecutionId(tx.reserve_execution_ids(1).await.unwrap()),
            bot_id: bot, contact_id: contact, flow_id, flow_version: 1,
            status: ExecutionStatus::WaitingEvent, current_node: Some(0), state: JsonMap::new(), message: None, depth: 0,
            steps: 0,
            turn: 0, wake_at: None, effect: None,
            visit: Some(PluginVisit { state: Some(odd_json()), wait: Some(PluginWait::Event { name: "custom.paid".into() }) }),
            error: None, started_at: now(), updated_at: now(), completed_at: None,
        };
        tx.save_executions(&[NewExecution { execution: execution.clone(), trigger_id: None }]).await.unwrap();
        let stored = tx.live_executions(&[contact]).await.unwrap().remove(&contact).unwrap().remove(0);
        assert_eq!(stored.execution, execution);
        assert!(tx.watches_events(bot, contact).await.unwrap());
        assert!(!tx.watches_events(bot, other).await.unwrap());
        (execution.status, execution.completed_at, execution.visit) = (ExecutionStatus::Completed, Some(now()), None);
        tx.save_executions(&[NewExecution { execution: execution.clone(), trigger_id: None }]).await.unwrap();
        assert_eq!(tx.execution(execution.id).await.unwrap().unwrap().execution, execution);
        assert!(!tx.watches_events(bot, contact).await.unwrap());
    }
}
