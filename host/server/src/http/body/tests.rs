use serde_json::json;

use super::*;

fn pointers(body: Body) -> Vec<String> {
    body.into_faults().into_iter().map(|fault| fault.pointer).collect()
}

#[test]
fn every_fault_is_found_at_its_place() {
    let mut body = Body::new(json!({
        "name": 7, "priority": 1.5, "is_active": "yes", "match_type": "fuzzy", "at": "tomorrow", "config": [],
        "keywords": ["a", 1, " ", "long"], "nodes": [{"type": "end"}, {"type": null}, 3],
    }));
    body.text("name").required();
    body.integer("priority").required();
    body.boolean("is_active").required();
    body.choice("match_type", &[("exact", 1)]).required();
    let _ = body.time("at").optional();
    body.object("config").required();
    body.texts("keywords", 10, 3).required();
    body.list("nodes", 10, |node| node.text("type").required()).required();
    body.text("gone").required();
    assert_eq!(
        pointers(body),
        [
            "/name",
            "/priority",
            "/is_active",
            "/match_type",
            "/at",
            "/config",
            "/keywords/1",
            "/keywords/2",
            "/keywords/3",
            "/nodes/1/type",
            "/nodes/2",
            "/gone"
        ]
    );
}

#[test]
fn absent_keeps_and_null_clears() {
    let mut body = Body::new(json!({"b": null, "c": "", "d": "new", "e": null}));
    let mut values: [Option<String>; 4] = std::array::from_fn(|_| Some("old".to_owned()));
    for (name, value) in ["a", "b", "c", "d"].into_iter().zip(&mut values) {
        body.text(name).or_empty().set_optional(value);
    }
    assert_eq!(values, [Some("old".into()), None, None, Some("new".into())]);
    let mut kept = "old".to_owned();
    body.text("f").set(&mut kept, false);
    body.text("e").set(&mut kept, false);
    body.text("f").set(&mut kept, true);
    assert_eq!(kept, "old");
    assert_eq!(pointers(body), ["/e", "/f"]);
}

#[test]
fn lists_are_bounded() {
    let mut body = Body::new(json!({"tags": ["a", "b", "c"]}));
    body.texts("tags", 2, 10).required();
    assert_eq!(pointers(body), ["/tags"]);
}

#[test]
fn queries_spell_numbers_out() {
    let mut body = Body::of_texts([("limit".into(), "5".into()), ("skip".into(), "x".into())], "/query");
    assert_eq!(body.integer("limit").optional(), Some(5));
    assert_eq!(body.integer("skip").optional(), None);
    assert_eq!(pointers(body), ["/query/skip"]);
}

#[test]
fn nul_and_depth_are_refused_malformed_json_is_told_apart() {
    let status = |bytes: &[u8]| parse(bytes).err().map(|problem| problem.kind().status.as_u16());
    assert_eq!(status(br#"{"a": ["b\u0000"], "c\u0000": 1}"#), Some(422));
    let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
    assert_eq!(status(&nested(DEPTH_MAX)), None);
    assert_eq!(status(&nested(DEPTH_MAX + 1)), Some(422));
    assert_eq!(status(&nested(100_000)), Some(422));
    assert_eq!(status(br#"{"a": "[[[[\"[["}"#), None);
    for malformed in [&b""[..], b"{", b"{\"a\":}", b"nope", b"{} {}", b"\"\\ud800\"", b"\xff", b"{\"a\": 1e999}"] {
        assert_eq!(status(malformed), Some(400), "{malformed:?}");
    }
}

#[test]
fn names_become_pointers_by_rfc_6901() {
    assert_eq!(escape("a/b~c"), "a~1b~0c");
}
