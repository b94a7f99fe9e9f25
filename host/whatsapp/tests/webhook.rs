//! Webhook payloads: the tables of `testdata`, and everything a payload can do to its siblings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use domain::Time;
use serde_json::{Value, json};
use whatsapp::webhook::{AccountEvent, Batch, Change, Echo, Inbound, Status, UpdateKind, parse};

/// When everything here is received.
fn received() -> Time {
    Time::from_timestamp(1_780_000_000, 0).unwrap()
}

fn read(body: &str) -> Batch {
    parse(body.as_bytes(), received()).unwrap()
}

/// A payload with one change of the field `messages`.
fn payload(name: &str, items: &Value, contacts: Option<&Value>) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "1 555-000-1111", "phone_number_id": "1065403522429220001"},
        name: items,
    });
    if let Some(contacts) = contacts {
        value["contacts"] = contacts.clone();
    }
    json!({"object": "whatsapp_business_account", "entry": [{"id": "9", "changes": [{"field": "messages", "value": value}]}]})
}

fn inbound(batch: &Batch) -> Vec<&Inbound> {
    let messages = batch.updates.iter().filter_map(|update| match &update.kind {
        UpdateKind::Message(inbound) => Some(&**inbound),
        _ => None,
    });
    messages.collect()
}

fn statuses(batch: &Batch) -> Vec<&Status> {
    let statuses = batch.updates.iter().filter_map(|update| match &update.kind {
        UpdateKind::Status(status) => Some(&**status),
        _ => None,
    });
    statuses.collect()
}

fn as_json(message: &Inbound) -> Value {
    json!({
        "wamid": message.wamid, "from": message.from, "bsuid": message.bsuid, "username": message.username,
        "profile_name": message.profile_name, "timestamp": message.timestamp.timestamp(), "kind": message.kind,
        "text": message.text, "reply_id": message.reply_id, "content": message.content,
        "context_wamid": message.context_wamid, "context": message.context, "referral": message.referral,
        "error": message.error, "group_id": message.group_id, "starts_flow": message.starts_flow,
        "change": message.change.as_ref().map(|change| match change {
            Change::Reaction { wamid, emoji } => json!({ "reaction": emoji, "wamid": wamid }),
            Change::Edit { wamid, text, content } => json!({ "edit": text, "content": content, "wamid": wamid }),
            Change::Revoke { wamid } => json!({ "wamid": wamid }),
            Change::Number { phone, bsuid } => json!({ "phone": phone, "bsuid": bsuid }),
            Change::UserId { previous, current } => json!({ "previous": previous, "current": current }),
        }),
    })
}

fn assert_has(found: &Value, expected: &Value, about: &str) {
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(found.get(name), Some(expected), "{about}: {name}");
    }
}

fn message_table(json: &str) {
    let cases: Vec<Value> = serde_json::from_str(json).unwrap();
    for case in cases {
        let about = case["about"].as_str().unwrap();
        let message = &case["message"];
        let batch = read(&payload("messages", &json!([message]), case.get("contacts")).to_string());
        let found = inbound(&batch);
        assert_eq!(found.len(), 1, "{about}: {:?}", batch.odd);
        assert_has(&as_json(found[0]), &case["expect"], about);
        assert_eq!(serde_json::from_str::<Value>(&found[0].raw).unwrap(), *message, "{about}");
        let expected: Vec<String> =
            case.get("odd").map(|odd| serde_json::from_value(odd.clone()).unwrap()).unwrap_or_default();
        let odd: Vec<&str> =
            batch.odd.iter().map(|odd| odd.at.strip_prefix("/entry/0/changes/0/value/messages/0").unwrap()).collect();
        assert_eq!(odd, expected, "{about}");
        assert_eq!(batch.updates[0].phone_number_id.as_deref(), Some("1065403522429220001"));
        assert_eq!(batch.updates[0].waba_id.as_deref(), Some("9"));
    }
}

macro_rules! message_tables {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            message_table(include_str!(concat!("../testdata/", stringify!($name), ".json")));
        }
    )*};
}

message_tables! { text media location_contacts_order replies changes unsupported }

#[test]
fn status_table() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../testdata/statuses.json")).unwrap();
    for case in cases {
        let about = case["about"].as_str().unwrap();
        let batch = read(&payload("statuses", &json!([case["status"]]), None).to_string());
        let found = statuses(&batch);
        let odd: Vec<&str> = batch.odd.iter().map(|odd| odd.kind.as_str()).collect();
        let expected: &[&str] = if found[0].status.is_none() { &["unknown_status"] } else { &[] };
        assert_eq!((found.len(), odd.as_slice()), (1, expected), "{about}");
        let status = found[0];
        let found = json!({
            "wamid": status.wamid, "status": status.status, "status_word": status.status_word,
            "at": status.at.timestamp(), "recipient": status.recipient, "recipient_bsuid": status.recipient_bsuid,
            "participant": status.participant, "callback_data": status.callback_data, "error": status.error,
        });
        assert_has(&found, &case["expect"], about);
    }
}

fn message(id: usize) -> Value {
    json!({"from": "4917012345", "id": format!("wamid.{id}"), "timestamp": "1760000000", "type": "text", "text": {"body": "hi"}})
}

#[test]
fn an_odd_piece_never_disturbs_its_siblings() {
    let odd_pieces = [
        "7",
        "null",
        "\"x\"",
        "[]",
        "{}",
        "{\"id\":\"wamid.x\"}",
        "{\"type\":\"text\"}",
        "{\"id\":{},\"type\":\"text\"}",
        "{\"id\":\"wamid.x\",\"type\":[]}",
        "{\"id\":\"\",\"type\":\"text\"}",
    ];
    for piece in odd_pieces {
        for name in ["messages", "statuses"] {
            let good = if name == "messages" { message(1) } else { json!({"id": "wamid.1", "status": "sent"}) };
            let body = payload(name, &json!([good, "PIECE", good]), None).to_string().replace("\"PIECE\"", piece);
            let batch = read(&body);
            assert_eq!(batch.updates.len(), 2, "{name} {piece}");
            assert_eq!(batch.odd.len(), 1, "{name} {piece}");
            assert!(batch.odd[0].at.starts_with(&format!("/entry/0/changes/0/value/{name}/1")), "{:?}", batch.odd);
        }
    }
}

#[test]
fn wrong_types_at_every_level_cost_only_that_level() {
    let whole = payload("messages", &json!([message(1)]), Some(&json!([{"wa_id": "4917012345"}])));
    let second = payload("messages", &json!([message(2)]), None);
    let places = [
        "/entry/0",
        "/entry/0/id",
        "/entry/0/changes",
        "/entry/0/changes/0",
        "/entry/0/changes/0/field",
        "/entry/0/changes/0/value",
        "/entry/0/changes/0/value/metadata",
        "/entry/0/changes/0/value/contacts",
        "/entry/0/changes/0/value/contacts/0",
        "/entry/0/changes/0/value/messages",
        "/entry/0/changes/0/value/messages/0",
        "/entry/0/changes/0/value/messages/0/text",
        "/entry/0/changes/0/value/metadata/phone_number_id",
    ];
    for place in places {
        for wrong in [json!(7), json!("x"), json!(null), json!([]), json!({}), json!([[7]]), json!(true)] {
            let mut body = whole.clone();
            *body.pointer_mut(place).unwrap() = wrong.clone();
            body["entry"].as_array_mut().unwrap().push(second["entry"][0].clone());
            let batch = read(&body.to_string());
            assert!(inbound(&batch).iter().any(|message| message.wamid == "wamid.2"), "{place} {wrong}");
        }
    }
    for whole in ["7", "[]", "null", "\"x\"", "{}", "{\"entry\":7}", "{\"object\":\"page\",\"entry\":[]}"] {
        let batch = read(whole);
        assert!(batch.updates.is_empty() && !batch.odd.is_empty(), "{whole}");
    }
}

#[test]
fn a_message_is_not_lost_through_the_name_of_its_field() {
    let mut body = payload("messages", &json!([message(1)]), None);
    body["entry"][0]["changes"][0]["field"] = json!(5);
    let batch = read(&body.to_string());
    assert_eq!((inbound(&batch).len(), batch.odd.len()), (1, 1));
}

#[test]
fn without_a_number_the_update_is_there_and_says_so() {
    let mut body = payload("messages", &json!([message(1)]), None);
    body["entry"][0]["changes"][0]["value"]["metadata"] = json!({});
    let batch = read(&body.to_string());
    assert_eq!(batch.updates[0].phone_number_id, None);
    assert_eq!(batch.odd[0].at, "/entry/0/changes/0/value/metadata/phone_number_id");
}

#[test]
fn surrogates_nuls_and_bad_bytes_are_replaced_and_nothing_else() {
    let body = payload("messages", &json!([message(1), "ODD", message(2)]), None).to_string();
    let message = r#"{"from":"4917012345","id":"wamid.o","timestamp":"1760000000","type":"text","text":{"body":"a\ud83d b\u0000c \ud83d\udc4d \\u0000"},"future":12345678901234567890123}"#;
    let batch = read(&body.replace("\"ODD\"", message));
    let found = inbound(&batch);
    assert_eq!(found.len(), 3);
    assert_eq!(found[1].text.as_deref(), Some("a\u{fffd} b\u{fffd}c 👍 \\u0000"));
    assert_eq!(found[1].raw, message.replace(r"a\ud83d b\u0000c", r"a\ufffd b\ufffdc"));

    let mut bytes = body.replace("\"ODD\"", &message.replace(r"a\ud83d", "BAD")).into_bytes();
    let at = bytes.windows(3).position(|window| window == b"BAD").unwrap();
    bytes[at] = 0xff;
    let batch = parse(&bytes, received()).unwrap();
    assert!(inbound(&batch)[1].text.as_deref().unwrap().starts_with("\u{fffd}AD"));
}

#[test]
fn what_cannot_be_held_is_kept_raw() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    for content in ["{\"body\":\"x\",\"n\":1e999}".to_owned(), format!("{{\"body\":\"x\",\"n\":{deep}}}")] {
        let body = payload("messages", &json!([message(1), "ODD"]), None).to_string();
        let message = format!("{{\"from\":\"4917012345\",\"id\":\"wamid.o\",\"type\":\"text\",\"text\":{content}}}");
        let batch = read(&body.replace("\"ODD\"", &message));
        let found = inbound(&batch);
        assert_eq!((found.len(), batch.odd.len()), (2, 1));
        assert_eq!((found[1].raw.as_str(), &found[1].content), (message.as_str(), &json!({})));
    }
}

#[test]
fn other_fields_are_account_updates_with_their_numbers_intact() {
    for field in ["message_template_status_update", "account_update", "something_new"] {
        let value = r#"{"event":"APPROVED","message_template_id":1689556908129832123,"x":[1e999]}"#;
        let body = format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":12345678901234567890,"changes":[{{"field":"{field}","value":{value}}}]}}]}}"#
        );
        let batch = read(&body);
        let UpdateKind::Account(event) = &batch.updates[0].kind else { panic!("{field}") };
        assert_eq!((event.field.as_str(), event.value.as_str()), (field, value));
        assert_eq!(batch.updates[0].waba_id.as_deref(), Some("12345678901234567890"));
        assert_eq!(batch.odd, []);
    }
}

/// A payload with one change of any field.
fn change(field: &str, value: &Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [
        {"id": "9", "time": 1_779_999_000, "changes": [{"field": field, "value": value}]}]})
}

fn event(batch: &Batch) -> &AccountEvent {
    let UpdateKind::Account(event) = &batch.updates[0].kind else { panic!("{batch:?}") };
    event
}

#[test]
fn account_table() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../testdata/accounts.json")).unwrap();
    for case in cases {
        let about = case["about"].as_str().unwrap();
        let batch = read(&change(case["field"].as_str().unwrap(), &case["value"]).to_string());
        let event = event(&batch);
        let updates: Vec<String> = event.updates.iter().map(|update| format!("{update:?}")).collect();
        assert_eq!(json!(updates), case["expect"], "{about}");
        assert_eq!(event.sent_at, Time::from_timestamp(1_779_999_000, 0), "{about}");
        let odd: Vec<&str> =
            batch.odd.iter().map(|odd| odd.at.strip_prefix("/entry/0/changes/0/value").unwrap()).collect();
        let expected: Vec<String> =
            case.get("odd").map(|odd| serde_json::from_value(odd.clone()).unwrap()).unwrap_or_default();
        assert_eq!(odd, expected, "{about}");
        assert_eq!(batch.updates[0].waba_id.as_deref(), Some("9"), "{about}");
    }
}

fn echoes(batch: &Batch) -> Vec<&Echo> {
    let echoes = batch.updates.iter().filter_map(|update| match &update.kind {
        UpdateKind::Echo(echo) => Some(&**echo),
        _ => None,
    });
    echoes.collect()
}

#[test]
fn what_the_business_writes_itself_is_an_echo_and_starts_nothing() {
    let echo = json!({"from": "+1 555-000-1112", "to": "491701234567", "id": "wamid.E", "timestamp": "1760000000",
        "type": "text", "text": {"body": "I am on it"}});
    let hidden = json!({"from": "15550001111", "to": "DE.7", "id": "wamid.F", "type": "text", "text": {"body": "x"}});
    let value = json!({"metadata": {"phone_number_id": "1"}, "message_echoes": [echo, 7, {"type": "text"}, hidden]});
    let batch = read(&change("smb_message_echoes", &value).to_string());
    let found = echoes(&batch);
    assert_eq!((found.len(), batch.odd.len()), (2, 2));
    assert_eq!((found[0].to.as_deref(), found[0].message.text.as_deref()), (Some("491701234567"), Some("I am on it")));
    assert!(!found[0].message.starts_flow && !found[1].message.starts_flow);
    assert_eq!((found[1].to.as_deref(), found[1].to_bsuid.as_deref()), (None, Some("DE.7")));
}

#[test]
fn media_that_meta_could_not_fetch_are_marked_wherever_that_is_told() {
    let image = json!({"from": "491701234567", "id": "wamid.I", "type": "image", "image": {"id": "5"}});
    let mut body = payload("messages", &json!([message(1), image]), None);
    body["entry"][0]["changes"][0]["value"]["errors"] = json!([{"code": 131_052, "title": "too big"}]);
    let batch = read(&body.to_string());
    let errors: Vec<_> = inbound(&batch).into_iter().map(|message| message.error.clone()).collect();
    assert_eq!(errors, [None, Some(json!({"code": 131_052, "title": "too big"}))]);
}

#[test]
fn errors_of_the_number_are_told() {
    let batch = read(&payload("errors", &json!([{"code": 131052}]), None).to_string());
    let UpdateKind::Account(event) = &batch.updates[0].kind else { panic!("{batch:?}") };
    assert_eq!((event.field.as_str(), event.value.as_str()), ("errors", "[{\"code\":131052}]"));
}

#[test]
fn a_thousand_updates_keep_their_order_and_repetitions() {
    let messages: Vec<Value> = (0..1000).map(|n| message(n % 900)).collect();
    let batch = read(&payload("messages", &json!(messages), None).to_string());
    let found: Vec<String> = inbound(&batch).iter().map(|message| message.wamid.clone()).collect();
    assert_eq!(found, (0..1000).map(|n| format!("wamid.{}", n % 900)).collect::<Vec<_>>());
}

#[test]
fn three_megabytes_of_trouble_are_read_in_good_time() {
    let mut long = message(1);
    long["text"]["body"] = json!("SURROGATES");
    let body = payload("messages", &json!([long]), None).to_string().replace("SURROGATES", &r"\ud800".repeat(500_000));
    let batch = read(&body);
    assert_eq!(inbound(&batch)[0].text.as_ref().unwrap().chars().count(), 500_000);
}

#[test]
fn what_is_no_json_is_refused_at_every_cut() {
    let body = payload("messages", &json!([message(1)]), None).to_string();
    for cut in 0..body.len() {
        assert!(parse(&body.as_bytes()[..cut], received()).is_err(), "{cut}");
    }
    for body in ["", " ", "<html>", "{}{}", "\u{0}", "{\"a\":\"\u{1}\"}"] {
        assert!(parse(body.as_bytes(), received()).is_err(), "{body}");
    }
}

/// Whoever knows the address may post what they like: it is read before it is known who has signed it.
#[test]
fn what_was_made_to_take_long_or_much_takes_neither() {
    // Many fields beside many changes, names with escapes among them.
    let fields = r#""\n\n":0,"#.repeat(200_000);
    let changes = vec!["0"; 200_000].join(",");
    let body = format!(r#"{{"object":"whatsapp_business_account","entry":[{{{fields}"changes":[{changes}]}}]}}"#);
    assert_eq!(read(&body).odd.len(), 200_000);

    // Ids and names that every message would get a copy of.
    let long = "1".repeat(1_000_000);
    let mut body =
        payload("messages", &json!([message(1)]), Some(&json!([{"wa_id": "4917012345", "profile": {"name": long}}])));
    body["entry"][0]["id"] = json!(long);
    let metadata = &mut body["entry"][0]["changes"][0]["value"]["metadata"];
    (metadata["phone_number_id"], metadata["display_phone_number"]) = (json!(long), json!(long));
    let batch = read(&body.to_string());
    let update = &batch.updates[0];
    assert_eq!((&update.phone_number_id, &update.display_phone_number, &update.waba_id), (&None, &None, &None));
    assert_eq!(batch.odd[0].at, "/entry/0/changes/0/value/metadata/phone_number_id");
    assert_eq!(inbound(&batch)[0].profile_name.as_ref().map(String::len), Some(512));

    // Many people beside many messages.
    let people: Vec<Value> =
        (0..20_000).map(|n| json!({"wa_id": format!("4917{n:08}"), "profile": {"name": n.to_string()}})).collect();
    let messages: Vec<Value> = (0..20_000)
        .map(|n| json!({"from": format!("4917{n:08}"), "id": format!("wamid.{n}"), "type": "text", "text": {"body": "hi"}}))
        .collect();
    let batch = read(&payload("messages", &json!(messages), Some(&json!(people))).to_string());
    assert_eq!(inbound(&batch)[19_999].profile_name.as_deref(), Some("19999"));
}
