//! Plugins, what they are allowed, and what they keep.

use std::collections::BTreeMap;

use domain::{
    Address, BotId, ContactId, Execution, FlowDefinition, NodeDefinition, PluginId, UserId,
    plugin::{Grant, Manifest, PluginPin},
};
use serde_json::json;
use storage::{
    Error, LogSource, NewExecution, NewPluginLog, NewPluginVersion, NodeFields, PluginUsage, ReferenceKind, Tx,
    UsageKey, User,
};
use tests::{Migrated, each_database};

use super::{bot, flow, now, user};

fn manifest(name: &str, version: &str) -> Manifest {
    serde_json::from_value(json!({ "name": name, "version": version, "title": "T\n\"" })).unwrap()
}

async fn upload(tx: &mut Tx, owner: &User, name: &str, version: &str, component: &[u8]) -> PluginId {
    tx.claim_plugins().await.unwrap();
    let plugin = tx.ensure_plugin(owner.id, name, now()).await.unwrap();
    let manifest = manifest(name, version);
    let digest = format!("digest of {}", String::from_utf8_lossy(component));
    let new =
        NewPluginVersion { version, digest: &digest, component, manifest: &manifest, report: &json!({ "size": 1 }) };
    tx.add_plugin_version(plugin.id, new, now()).await.unwrap();
    plugin.id
}

pub(super) async fn contact(tx: &mut Tx, bot: BotId, phone: &str) -> ContactId {
    tx.ensure_contact(bot, &Address::Phone(phone.into()), "api", now()).await.unwrap().id
}

/// A user's bot with a plugin and a contact.
pub(super) async fn scene(tx: &mut Tx) -> (User, BotId, PluginId, ContactId) {
    let ada = user(tx, "ada").await;
    let bot = bot(tx, &ada, "b").await;
    let plugin = upload(tx, &ada, "points", "1.0.0", b"one").await;
    let contact = contact(tx, bot, "16505550101").await;
    (ada, bot, plugin, contact)
}

each_database! {
    async fn versions_are_kept_as_they_came_and_components_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let before = tx.plugin_revision().await.unwrap();
        let first = upload(&mut tx, &ada, "points", "1.0.0", b"one").await;
        assert_eq!(upload(&mut tx, &ada, "points", "1.10.0", b"two").await, first);
        let bobs = upload(&mut tx, &bob, "points", "1.0.0", b"one").await;
        assert_ne!(bobs, first);
        assert_eq!(tx.plugin_revision().await.unwrap(), before + 3);

        let version = tx.plugin_version(first, "1.0.0").await.unwrap().unwrap();
        assert_eq!((version.manifest, version.report), (manifest("points", "1.0.0"), json!({ "size": 1 })));
        assert!(version.is_enabled && version.uploaded_at == now());
        assert_eq!(tx.plugin_component("digest of one").await.unwrap().unwrap(), b"one");
        assert_eq!(tx.manifest_of("digest of two").await.unwrap().unwrap().version, "1.10.0");
        assert_eq!(tx.plugin_versions(first).await.unwrap().len(), 2);
        let of_both = tx.versions_of_plugins(&[first, PluginId(999)]).await.unwrap();
        assert_eq!(of_both.iter().map(|(plugin, heads)| (*plugin, heads.len())).collect::<Vec<_>>(), [(first, 2)]);
        assert!(tx.versions_of_plugins(&[]).await.unwrap().is_empty());
        assert!(tx.switch_plugin_version(first, "1.0.0", false).await.unwrap());
        assert!(!tx.switch_plugin_version(first, "9.0.0", false).await.unwrap());
        assert!(!tx.plugin_version(first, "1.0.0").await.unwrap().unwrap().is_enabled);

        assert!(tx.delete_plugin_version(first, "1.0.0").await.unwrap());
        assert!(!tx.delete_plugin_version(first, "1.0.0").await.unwrap());
        assert!(tx.plugin_component("digest of one").await.unwrap().is_some(), "bob has it still");
        tx.delete_plugin(bobs).await.unwrap();
        assert!(tx.plugin_component("digest of one").await.unwrap().is_none());
        assert!(tx.plugin(bob.id, "points").await.unwrap().is_none());
        tx.commit().await.unwrap();

        let mut tx = db.begin().await.unwrap();
        let again = manifest("points", "1.10.0");
        let new = NewPluginVersion { version: "1.10.0", digest: "x", component: b"x", manifest: &again, report: &json!({}) };
        assert!(matches!(tx.add_plugin_version(first, new, now()).await, Err(Error::Conflict(_))));
    }

    async fn a_user_sees_their_own_and_what_is_shared(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let hers = upload(&mut tx, &ada, "points", "1.0.0", b"one").await;
        assert!(tx.plugin(bob.id, "points").await.unwrap().is_none());
        assert_eq!(tx.plugins(bob.id, 10, 0).await.unwrap().total, 0);
        assert!(tx.visible_versions(bob.id).await.unwrap().is_empty());
        assert!(tx.pinned_version(bob.id, "points", "digest of one").await.unwrap().is_none());

        tx.share_plugin(hers, true, now()).await.unwrap();
        assert_eq!(tx.plugin(bob.id, "points").await.unwrap().unwrap().id, hers);
        let seen = tx.visible_versions(bob.id).await.unwrap();
        assert!(seen.len() == 1 && !seen[0].is_own && seen[0].plugin_id == hers);
        assert_eq!(tx.pinned_version(bob.id, "points", "digest of one").await.unwrap().unwrap().0.id, hers);

        let his = upload(&mut tx, &bob, "points", "2.0.0", b"two").await;
        assert_eq!(tx.plugin(bob.id, "points").await.unwrap().unwrap().id, his);
        let page = tx.plugins(bob.id, 10, 0).await.unwrap();
        assert_eq!((page.total, page.items[0].id), (1, his));
        let mut seen: Vec<_> =
            tx.visible_versions(bob.id).await.unwrap().into_iter().map(|v| (v.is_own, v.version)).collect();
        seen.sort();
        assert_eq!(seen, [(false, "1.0.0".to_owned()), (true, "2.0.0".to_owned())]);
        assert_eq!(tx.pinned_version(bob.id, "points", "digest of two").await.unwrap().unwrap().0.id, his);
        let found = tx.manifests(&[(hers, "1.0.0".into()), (his, "2.0.0".into()), (his, "9".into())]).await.unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(tx.count_plugins(bob.id).await.unwrap(), 1);
        tx.limit_plugin(his, Some(&json!({ "cpu_ms": 1 })), now()).await.unwrap();
        assert_eq!(tx.plugin(bob.id, "points").await.unwrap().unwrap().limits, Some(json!({ "cpu_ms": 1 })));
        tx.limit_plugin(his, None, now()).await.unwrap();
        assert_eq!(tx.plugin(bob.id, "points").await.unwrap().unwrap().limits, None);
        assert!(matches!(tx.share_plugin(his, true, now()).await, Err(Error::Conflict(_))));
    }

    async fn grants_and_secrets_are_of_one_plugin_and_bot_and_go_with_them(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bot_id, plugin, _) = scene(&mut tx).await;
        let other = bot(&mut tx, &ada, "other").await;
        assert_eq!(tx.plugin_grant(plugin, bot_id).await.unwrap(), None);
        let grant = Grant { log: true, ..Grant::default() };
        tx.put_plugin_grant(plugin, bot_id, &Grant::default(), now()).await.unwrap();
        tx.put_plugin_grant(plugin, bot_id, &grant, now()).await.unwrap();
        assert_eq!(tx.plugin_grant(plugin, bot_id).await.unwrap(), Some(grant));
        assert_eq!(tx.plugin_grant(plugin, other).await.unwrap(), None);
        assert!(tx.delete_plugin_grant(plugin, bot_id).await.unwrap());
        assert!(!tx.delete_plugin_grant(plugin, bot_id).await.unwrap());

        for (bot, name, sealed) in [(bot_id, "B", "1"), (bot_id, "A", "2"), (bot_id, "B", "3"), (other, "A", "4")] {
            tx.put_plugin_secret(plugin, bot, name, sealed, now()).await.unwrap();
        }
        let found = tx.plugin_secrets(plugin, bot_id).await.unwrap();
        let shown: Vec<_> = found.iter().map(|secret| (secret.name.as_str(), secret.sealed.as_str())).collect();
        assert_eq!(shown, [("A", "2"), ("B", "3")]);
        let all = tx.all_plugin_secrets((BotId(0), PluginId(0), ""), 2).await.unwrap();
        assert_eq!(all.len(), 2);
        let last = all.last().unwrap();
        let rest = tx.all_plugin_secrets((last.bot_id, last.plugin_id, &last.name), 2).await.unwrap();
        assert_eq!(rest.iter().map(|secret| secret.sealed.as_str()).collect::<Vec<_>>(), ["4"]);
        assert_eq!(tx.delete_plugin_secrets(plugin, bot_id, Some("B")).await.unwrap(), 1);
        assert_eq!(tx.delete_plugin_secrets(plugin, bot_id, None).await.unwrap(), 1);
        tx.delete_bot(ada.id, other).await.unwrap();
        assert!(tx.purge_bot(other, 10).await.unwrap());
        assert!(tx.all_plugin_secrets((BotId(0), PluginId(0), ""), 9).await.unwrap().is_empty());
        let nobodys = tx.put_plugin_grant(plugin, BotId(999), &Grant::default(), now()).await;
        assert!(matches!(nobodys, Err(Error::Dangling(_))));
    }

    async fn the_newest_lines_of_each_bot_are_kept_and_seen_by_those_they_are_for(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bot_id, plugin_id, _) = scene(&mut tx).await;
        let bob = user(&mut tx, "bob").await;
        let bobs = bot(&mut tx, &bob, "his").await;
        let line = |bot_id: BotId, source, message: &str| NewPluginLog {
            plugin_id, bot_id, version: "1.0.0".into(), call_id: "1-1".into(), source, level: "info",
            message: message.into(), fields: Some("{\"a\": 1}".into()), detail: Some("panic".into()), at: now(),
        };
        let many: Vec<_> = (0..7).map(|n| line(bot_id, LogSource::Plugin, &n.to_string())).collect();
        tx.append_plugin_logs(&many, 5).await.unwrap();
        let others = [line(bobs, LogSource::Plugin, "secret"), line(bobs, LogSource::Host, "failed"), line(BotId(999), LogSource::Host, "x")];
        tx.append_plugin_logs(&others, 5).await.unwrap();
        let messages = async |tx: &mut Tx, viewer: UserId, is_owner, bot| {
            let page = tx.plugin_logs(plugin_id, viewer, is_owner, bot, 10, 0).await.unwrap();
            assert_eq!(page.total, i64::try_from(page.items.len()).unwrap());
            page.items.into_iter().map(|line| line.message).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(messages(&mut tx, ada.id, true, None).await, "failed 6 5 4 3 2");
        assert_eq!(messages(&mut tx, ada.id, true, Some(bot_id)).await, "6 5 4 3 2");
        assert_eq!(messages(&mut tx, bob.id, false, None).await, "failed secret");
        assert_eq!(messages(&mut tx, bob.id, false, Some(bot_id)).await, "");
        let page = tx.plugin_logs(plugin_id, bob.id, false, None, 1, 1).await.unwrap();
        let found = &page.items[0];
        assert_eq!((page.total, found.message.as_str(), found.source, found.at), (2, "secret", LogSource::Plugin, now()));
        assert_eq!((found.fields.as_deref(), found.detail.as_deref()), (Some("{\"a\": 1}"), Some("panic")));
    }

    async fn usage_adds_up(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bot_id, plugin_id, _) = scene(&mut tx).await;
        let bob = user(&mut tx, "bob").await;
        let bobs = bot(&mut tx, &bob, "his").await;
        let key = |bot_id, day| UsageKey { plugin_id, bot_id, version: "1.0.0".into(), day };
        let once = PluginUsage {
            calls: 1, faults: 1, failures: 1, cpu_us: 10, wall_us: 20, memory_peak: 7, requests: 1, egress_bytes: 5,
        };
        let more = PluginUsage { memory_peak: 3, ..once };
        let used = BTreeMap::from([(key(bot_id, 5), once), (key(bot_id, 6), once), (key(bobs, 6), once), (key(BotId(999), 6), once)]);
        tx.add_plugin_usage(&used).await.unwrap();
        tx.add_plugin_usage(&BTreeMap::from([(key(bot_id, 6), more)])).await.unwrap();
        let mut twice = once;
        twice.add(&more);
        assert_eq!((twice.calls, twice.memory_peak, twice.egress_bytes), (2, 7, 10));
        let hers = tx.plugin_usage(plugin_id, ada.id, false, 0).await.unwrap();
        assert_eq!(hers, [(key(bot_id, 6), twice), (key(bot_id, 5), once)]);
        let all = tx.plugin_usage(plugin_id, ada.id, true, 6).await.unwrap();
        assert_eq!(all, [(key(BotId(0), 6), once), (key(bot_id, 6), twice)]);
    }

    async fn who_needs_a_plugin_is_found(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bot_id, plugin_id, contact_id) = scene(&mut tx).await;
        let bob = user(&mut tx, "bob").await;
        let bobs = bot(&mut tx, &bob, "his").await;
        let pin = |digest: &str| PluginPin { name: "points".into(), version: "1.0.0".into(), digest: digest.into() };
        let node = NodeDefinition {
            position: 0, key: None, kind: "points/add".into(), name: None, config: json!({}),
        };
        let definition = |digest: &str| FlowDefinition {
            nodes: vec![node.clone()],
            plugins: BTreeMap::from([("points".to_owned(), pin(digest))]),
        };
        let published = flow(&mut tx, bot_id, "published").await;
        tx.publish(published, &definition("digest of one"), now()).await.unwrap();
        let outdated = flow(&mut tx, bot_id, "outdated").await;
        tx.publish(outdated, &definition("digest of one"), now()).await.unwrap();
        tx.publish(outdated, &definition("digest of two"), now()).await.unwrap();
        let running = flow(&mut tx, bot_id, "running").await;
        tx.publish(running, &definition("digest of one"), now()).await.unwrap();
        tx.publish(running, &definition("digest of two"), now()).await.unwrap();
        let execution: Execution = serde_json::from_value(json!({
            "id": tx.reserve_execution_ids(1).await.unwrap(), "bot_id": bot_id, "contact_id": contact_id,
            "flow_id": running, "flow_version": 1, "status": "running", "current_node": 0, "state": {}, "depth": 0,
            "steps": 0, "started_at": now(), "updated_at": now(),
        })).unwrap();
        tx.save_executions(&[NewExecution { execution, trigger_id: None }]).await.unwrap();
        let elsewhere = flow(&mut tx, bobs, "elsewhere").await;
        tx.publish(elsewhere, &definition("digest of one"), now()).await.unwrap();
        let draft = flow(&mut tx, bot_id, "draft").await;
        tx.create_node(draft, &NodeFields::from(&node), now()).await.unwrap();
        let lookalike = NodeDefinition { kind: "points-of-view/add".into(), ..node.clone() };
        let other = flow(&mut tx, bot_id, "other").await;
        tx.create_node(other, &NodeFields::from(&lookalike), now()).await.unwrap();

        let names = async |tx: &mut Tx| {
            let plugin = tx.plugin(ada.id, "points").await.unwrap().unwrap();
            let code = tx.code_references(&plugin, "digest of one").await.unwrap();
            assert!(code.iter().all(|reference| reference.kind == ReferenceKind::Flow));
            let named = tx.name_references(&plugin).await.unwrap();
            assert!(named.iter().all(|reference| reference.kind == ReferenceKind::Draft));
            let show = |found: Vec<storage::PluginReference>| {
                found.into_iter().map(|reference| reference.name).collect::<Vec<_>>().join(" ")
            };
            (show(code), show(named))
        };
        assert_eq!(names(&mut tx).await, ("published running".into(), "draft".into()));
        tx.share_plugin(plugin_id, true, now()).await.unwrap();
        assert_eq!(names(&mut tx).await, ("published running elsewhere".into(), "draft".into()));
        upload(&mut tx, &bob, "points", "1.0.0", b"one").await;
        assert_eq!(names(&mut tx).await, ("published running".into(), "draft".into()));
    }
}
