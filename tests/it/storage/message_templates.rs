//! Message templates as Meta describes them.

use chrono::TimeDelta;
use serde_json::json;
use storage::{MessageTemplateFilter, NewMessageTemplate, TemplateChange, TemplateKey};
use tests::{Migrated, each_database};

use super::{bot, now, odd_json, user};

fn template(name: &str, language: &str) -> NewMessageTemplate {
    NewMessageTemplate {
        meta_id: format!("7{}", name.len()),
        name: name.into(),
        language: language.into(),
        category: "MARKETING".into(),
        status: "APPROVED".into(),
        reason: None,
        quality: Some("GREEN".into()),
        is_named: true,
        components: json!([{ "type": "BODY", "text": odd_json()["text"] }]),
    }
}

each_database! {
    async fn a_list_replaces_the_one_before(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let (bot, other) = (bot(&mut tx, &ada, "a").await, bot(&mut tx, &ada, "b").await);
        assert_eq!(tx.template_sync(bot).await.unwrap(), None);
        let first = [template("hello", "en"), template("hello", "de"), template("sale", "en")];
        tx.replace_message_templates(bot, "W", &first, now(), now()).await.unwrap();
        tx.replace_message_templates(other, "W", &first[..1], now(), now()).await.unwrap();
        let changed = NewMessageTemplate { status: "PAUSED".into(), components: json!([]), ..template("sale", "en") };
        // Even at the same instant.
        tx.replace_message_templates(bot, "W", &[template("hello", "en"), changed], now(), now()).await.unwrap();

        let all = tx.message_templates(bot, &MessageTemplateFilter::default(), 10, 0).await.unwrap();
        assert_eq!(all.items.iter().map(|t| (&*t.name, &*t.language)).collect::<Vec<_>>(), [("hello", "en"), ("sale", "en")]);
        let hello = &all.items[0];
        assert_eq!((hello.is_named, hello.quality.as_deref(), hello.synced_at), (true, Some("GREEN"), now()));
        assert_eq!(hello.components[0]["text"], odd_json()["text"]);
        assert_eq!((all.items[1].status.as_str(), &all.items[1].components), ("PAUSED", &json!([])));
        let paused = MessageTemplateFilter { status: Some("PAUSED".into()), ..MessageTemplateFilter::default() };
        let page = tx.message_templates(bot, &paused, 10, 0).await.unwrap();
        assert_eq!((page.total, page.items[0].name.as_str()), (1, "sale"));
        let page = tx.message_templates(bot, &MessageTemplateFilter::default(), 1, 1).await.unwrap();
        assert_eq!((page.total, page.items[0].name.as_str()), (2, "sale"));
        assert_eq!(tx.template_languages(bot, "hello").await.unwrap(), ["en"]);
        assert!(tx.message_template(bot, "hello", "de").await.unwrap().is_none());
        assert_eq!(tx.message_template(other, "hello", "en").await.unwrap().unwrap().bot_id, other);
        tx.commit().await.unwrap();
    }

    async fn what_a_webhook_said_meanwhile_stands(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "a").await;
        tx.replace_message_templates(bot, "W", &[template("hello", "en")], now(), now()).await.unwrap();
        let (asked, said) = (now() + TimeDelta::seconds(10), now() + TimeDelta::seconds(12));
        let change = TemplateChange {
            status: Some("PAUSED".into()), reason: Some("quality".into()), quality: Some("RED".into()), category: None,
        };
        let key = TemplateKey { name: Some("hello".into()), language: Some("en".into()), meta_id: None };
        assert!(tx.change_message_template(&[bot], &key, &change, said).await.unwrap());
        tx.replace_message_templates(bot, "W", &[template("hello", "en")], asked, said).await.unwrap();
        let hello = tx.message_template(bot, "hello", "en").await.unwrap().unwrap();
        assert_eq!((hello.status.as_str(), hello.reason.as_deref()), ("PAUSED", Some("quality")));
        assert_eq!((hello.quality.as_deref(), hello.category.as_str()), (Some("RED"), "MARKETING"));
        let by_id = TemplateKey { meta_id: Some("75".into()), ..TemplateKey::default() };
        let category = TemplateChange { category: Some("UTILITY".into()), ..TemplateChange::default() };
        assert!(tx.change_message_template(&[bot], &by_id, &category, said).await.unwrap());
        let hello = tx.message_template(bot, "hello", "en").await.unwrap().unwrap();
        assert_eq!((hello.category.as_str(), hello.reason.as_deref()), ("UTILITY", Some("quality")));
        // A list that was asked for later knows better.
        let later = now() + TimeDelta::minutes(1);
        tx.replace_message_templates(bot, "W", &[template("hello", "en")], later, later).await.unwrap();
        assert_eq!(tx.message_template(bot, "hello", "en").await.unwrap().unwrap().status, "APPROVED");

        // One that is not known makes the list old.
        let key = TemplateKey { meta_id: Some("1".into()), ..TemplateKey::default() };
        assert!(!tx.change_message_template(&[bot], &key, &change, later).await.unwrap());
        assert_eq!(tx.template_sync(bot).await.unwrap().unwrap().synced_at, None);
        tx.commit().await.unwrap();
    }

    async fn a_failure_keeps_the_list_unless_it_was_another_accounts(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "a").await;
        tx.note_template_failure(bot, "W", "no", now()).await.unwrap();
        let sync = tx.template_sync(bot).await.unwrap().unwrap();
        assert_eq!((sync.synced_at, sync.error.as_deref()), (None, Some("no")));
        tx.replace_message_templates(bot, "W", &[template("hello", "en")], now(), now()).await.unwrap();
        let later = now() + TimeDelta::minutes(1);
        tx.note_template_failure(bot, "W", "no", later).await.unwrap();
        let sync = tx.template_sync(bot).await.unwrap().unwrap();
        assert_eq!((sync.synced_at, sync.tried_at, sync.error.as_deref()), (Some(now()), later, Some("no")));
        tx.note_template_failure(bot, "X", "no", later).await.unwrap();
        assert_eq!(tx.template_sync(bot).await.unwrap().unwrap().synced_at, None);
        tx.replace_message_templates(bot, "Y", &[], later, later).await.unwrap();
        assert!(tx.message_template(bot, "hello", "en").await.unwrap().is_none());
        tx.commit().await.unwrap();
    }

    async fn more_templates_than_fit_one_statement_are_kept(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "a").await;
        let many: Vec<_> = (0..1_203).map(|n| template(&format!("t{n}"), "en")).collect();
        tx.replace_message_templates(bot, "W", &many, now(), now()).await.unwrap();
        tx.replace_message_templates(bot, "W", &many[1_200..], now(), now()).await.unwrap();
        let page = tx.message_templates(bot, &MessageTemplateFilter::default(), 10, 0).await.unwrap();
        assert_eq!(page.total, 3);
        tx.commit().await.unwrap();
    }
}
