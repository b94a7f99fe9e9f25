//! Template sends against their definitions: the table of `testdata/templates.json`.

use serde_json::{Value, json};
use whatsapp::templates::{Definition, check};

#[test]
fn a_send_must_fit_its_template() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../testdata/templates.json")).unwrap();
    for case in cases {
        let definition = Definition::parse(&json!({
            "id": "1", "name": "t", "language": "en", "parameter_format": case.get("format"), "components": case["defined"],
        }));
        let mut send = json!({ "name": "t", "language": { "code": "en" } });
        if !case["components"].is_null() {
            send["components"] = case["components"].clone();
        }
        let found = check(&definition.unwrap(), &send);
        let pointers: Value = found.iter().map(|fault| fault.pointer.clone()).collect();
        assert_eq!(pointers, case["faults"], "{}: {found:?}", case["about"]);
        assert!(found.iter().all(|fault| !fault.detail.is_empty()));
    }
}
