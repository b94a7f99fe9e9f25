//! Triggers.

use domain::{FlowId, MatchType, TriggerRule};
use storage::{Error, TriggerFields};
use tests::{Migrated, each_database};

use super::{bot, flow, now, user};

fn fields(flow: FlowId) -> TriggerFields {
    TriggerFields {
        flow_id: flow,
        name: "t".into(),
        priority: -5,
        is_active: true,
        interrupt: true,
        rule: TriggerRule::Keyword {
            keywords: vec!["héllo".into(), "^a\\d+$".into()],
            match_type: MatchType::Regex,
            case_sensitive: true,
        },
    }
}

each_database! {
    async fn a_trigger_keeps_what_it_is_given(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let bot = bot(&mut tx, &ada, "b").await;
        let flow = flow(&mut tx, bot, "f").await;
        let made = tx.create_trigger(bot, &fields(flow), now()).await.unwrap();
        assert_eq!((made.fields(), made.created_at), (fields(flow), now()));
        assert_eq!(tx.trigger(ada.id, made.id).await.unwrap(), Some(made.clone()));
        assert_eq!(tx.trigger(bob.id, made.id).await.unwrap(), None);
        assert_eq!(tx.active_triggers(bot).await.unwrap(), [made.clone().into()]);

        let revision = tx.revisions(&[bot]).await.unwrap()[0].1;
        assert!(tx.claim_trigger(bob.id, made.id).await.unwrap().is_none());
        assert!(tx.claim_trigger(ada.id, made.id).await.unwrap().is_some());
        assert_eq!(tx.revisions(&[bot]).await.unwrap()[0].1, revision + 1);
        let off = TriggerFields { is_active: false, name: "off".into(), ..fields(flow) };
        assert_eq!(tx.update_trigger(made.id, &off, now()).await.unwrap().fields(), off);
        assert!(tx.active_triggers(bot).await.unwrap().is_empty());
        assert_eq!(tx.triggers_of_bot(bot).await.unwrap().len(), 1);
        assert_eq!(tx.triggers(ada.id, Some(bot), 10, 0).await.unwrap().total, 1);
        assert_eq!(tx.triggers(bob.id, None, 10, 0).await.unwrap().total, 0);
        tx.delete_trigger(made.id).await.unwrap();
        assert!(tx.triggers(ada.id, None, 10, 0).await.unwrap().items.is_empty());
    }

    async fn a_trigger_needs_its_flow(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "b").await;
        let error = tx.create_trigger(bot, &fields(FlowId(999)), now()).await.unwrap_err();
        assert!(matches!(error, Error::Dangling(_)), "{error:?}");
    }
}
