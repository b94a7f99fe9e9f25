//! Flows, their nodes and versions, and templates.

use domain::{Execution, ExecutionId, ExecutionStatus, FlowDefinition, FlowId, JsonMap};
use serde_json::json;
use storage::{ContactFields, Error, FlowRemoval, NewExecution, NewTemplate, NodeFields, definition};
use tests::{Migrated, each_database};

use super::{bot, flow, node, now, odd_json, user};

each_database! {
    async fn nodes_are_replaced_and_keep_their_ids(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "b").await;
        let id = flow(&mut tx, bot, "f").await;
        let first = NodeFields { ui: Some(odd_json()), ..node(0, Some("a"), odd_json()) };
        let nodes = [first, node(1, Some("b"), json!({})), node(2, None, json!({}))];
        let made = tx.replace_nodes(id, &nodes, now()).await.unwrap();
        assert_eq!(made.iter().map(storage::Node::fields).collect::<Vec<_>>(), nodes);
        // Keys swap, the last one goes.
        let swapped = [node(0, Some("b"), json!({})), node(1, Some("a"), json!(null))];
        let made_again = tx.replace_nodes(id, &swapped, now()).await.unwrap();
        assert_eq!(made_again.iter().map(storage::Node::fields).collect::<Vec<_>>(), swapped);
        assert_eq!(made_again[1].id, made[1].id);
        assert_eq!(tx.next_position(id).await.unwrap(), 2);
        assert!(tx.replace_nodes(id, &[], now()).await.unwrap().is_empty());
        assert_eq!(tx.next_position(id).await.unwrap(), 0);
    }

    async fn nodes_are_the_owners_and_each_place_is_taken_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let bot = bot(&mut tx, &ada, "b").await;
        let id = flow(&mut tx, bot, "f").await;
        let made = tx.create_node(id, &node(0, Some("a"), json!({})), now()).await.unwrap();
        assert_eq!(tx.node(ada.id, made.id).await.unwrap(), Some(made.clone()));
        assert_eq!(tx.node(bob.id, made.id).await.unwrap(), None);
        assert_eq!(tx.nodes(bob.id, None, 10, 0).await.unwrap().total, 0);
        assert_eq!(tx.nodes(ada.id, Some(id), 10, 0).await.unwrap().items, std::slice::from_ref(&made));
        assert_eq!(tx.nodes(ada.id, Some(FlowId(999)), 10, 0).await.unwrap().total, 0);
        let moved = tx.update_node(made.id, &node(5, None, odd_json()), now()).await.unwrap();
        assert_eq!((moved.position, moved.config), (5, odd_json()));
        tx.commit().await.unwrap();
        for (taken, which) in [(node(5, None, json!({})), "position"), (node(6, Some("k"), json!({})), "key")] {
            let mut tx = db.begin().await.unwrap();
            tx.create_node(id, &node(7, Some("k"), json!({})), now()).await.unwrap();
            let error = tx.create_node(id, &taken, now()).await.unwrap_err();
            assert!(matches!(&error, Error::Conflict(what) if what.contains(which)), "{error:?}");
        }
        let mut tx = db.begin().await.unwrap();
        tx.delete_node(made.id).await.unwrap();
        assert_eq!(tx.node(ada.id, made.id).await.unwrap(), None);
    }

    async fn publishing_makes_a_version_only_of_what_changed(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "b").await;
        let id = flow(&mut tx, bot, "f").await;
        assert!(tx.published_versions(&[id]).await.unwrap().is_empty());
        let one = definition(&tx.replace_nodes(id, &[node(0, Some("a"), odd_json())], now()).await.unwrap());
        let two = FlowDefinition::default();
        assert_eq!(tx.publish(id, &one, now()).await.unwrap(), 1);
        assert_eq!(tx.publish(id, &one, now()).await.unwrap(), 1);
        assert_eq!(tx.publish(id, &two, now()).await.unwrap(), 2);
        assert_eq!(tx.publish(id, &one, now()).await.unwrap(), 3);
        assert_eq!(tx.flow_version(id, 1).await.unwrap(), Some(("f".into(), one)));
        assert_eq!(tx.flow_version(id, 2).await.unwrap(), Some(("f".into(), two)));
        assert_eq!(tx.flow_version(id, 4).await.unwrap(), None);
        assert_eq!(tx.published_versions(&[id, FlowId(999)]).await.unwrap(), [(id, 3)]);
        let versions = tx.flow_versions(id, 2, 0).await.unwrap();
        assert_eq!((versions.total, versions.items[0].version), (3, 3));
        assert_eq!(tx.flow(ada.id, id).await.unwrap().unwrap().published_version, Some(3));
    }

    async fn claiming_a_flow_gives_its_bot_a_revision(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let bot = bot(&mut tx, &ada, "b").await;
        let id = flow(&mut tx, bot, "f").await;
        assert!(tx.claim_flow(bob.id, id).await.unwrap().is_none());
        assert_eq!(tx.revisions(&[bot]).await.unwrap(), [(bot, 1)]);
        let mut fields = tx.claim_flow(ada.id, id).await.unwrap().unwrap().fields();
        assert_eq!(tx.revisions(&[bot]).await.unwrap(), [(bot, 2)]);
        fields.auto_publish = false;
        assert_eq!(tx.update_flow(id, &fields, now()).await.unwrap().fields(), fields);
        assert_eq!(tx.flows(ada.id, Some(bot), 10, 0).await.unwrap().total, 1);
        assert_eq!(tx.flows(bob.id, None, 10, 0).await.unwrap().total, 0);
    }

    async fn a_flow_with_executions_is_archived(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "b").await;
        let (unused, used) = (flow(&mut tx, bot, "unused").await, flow(&mut tx, bot, "used").await);
        let contact = ContactFields { phone: Some("1234567".into()), ..ContactFields::default() };
        let contact = tx.create_contact(bot, &contact, now()).await.unwrap();
        tx.publish(used, &FlowDefinition::default(), now()).await.unwrap();
        let execution = Execution {
            id: ExecutionId(tx.reserve_execution_ids(1).await.unwrap()),
            bot_id: bot,
            contact_id: contact.id,
            flow_id: used,
            flow_version: 1,
            status: ExecutionStatus::Completed,
            current_node: None,
            state: JsonMap::new(),
            message: None,
            depth: 0,
            steps: 0,
            turn: 0,
            wake_at: None,
            effect: None,
            visit: None,
            error: None,
            started_at: now(),
            updated_at: now(),
            completed_at: Some(now()),
        };
        tx.save_executions(&[NewExecution { execution, trigger_id: None }]).await.unwrap();
        assert_eq!(tx.delete_flow(unused, now()).await.unwrap(), FlowRemoval::Deleted);
        assert_eq!(tx.delete_flow(used, now()).await.unwrap(), FlowRemoval::Archived);
        assert!(tx.flow(ada.id, used).await.unwrap().is_none());
        assert_eq!(tx.flows(ada.id, None, 10, 0).await.unwrap().total, 0);
        assert!(tx.published_versions(&[used]).await.unwrap().is_empty());
        // Executions under way still find their version.
        assert!(tx.flow_version(used, 1).await.unwrap().is_some());
        let archived = tx.flows_by_ids(&[used, unused]).await.unwrap();
        assert!(archived.len() == 1 && archived[0].is_archived);
    }

    async fn templates_are_the_owners(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let bot = bot(&mut tx, &ada, "b").await;
        let id = flow(&mut tx, bot, "f").await;
        let definition = definition(&tx.replace_nodes(id, &[node(3, None, odd_json())], now()).await.unwrap());
        let new = NewTemplate { name: "t", description: None, category: Some("c"), definition: &definition };
        let made = tx.create_template(ada.id, new, now()).await.unwrap();
        assert_eq!(made.definition, definition);
        assert_eq!(tx.template(ada.id, made.id).await.unwrap(), Some(made.clone()));
        assert_eq!(tx.template(bob.id, made.id).await.unwrap(), None);
        assert_eq!(tx.templates(ada.id, 10, 0).await.unwrap().items, std::slice::from_ref(&made));
        assert_eq!(tx.templates(bob.id, 10, 0).await.unwrap().total, 0);
        assert!(!tx.delete_template(bob.id, made.id).await.unwrap());
        assert!(tx.delete_template(ada.id, made.id).await.unwrap());
    }
}
