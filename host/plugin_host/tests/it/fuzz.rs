//! Made-up input, at the two places where the host reads what strangers write: uploads, and the JSON that guests return.
//! `fuzz/` beside this crate has the same as targets for cargo-fuzz.

use std::sync::OnceLock;

use plugin_host::{StructureLimits, outline, read_answer};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::{
    guests::Guest,
    world::{effect, host, limits, load, plain_caller},
};

fn decent() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| Guest::decent().component())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_with_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let findings = outline(&bytes, 1 << 20, &StructureLimits::usual(), false).unwrap_err();
        prop_assert!(!findings.is_empty() && findings.iter().all(|finding| !finding.message.is_empty()));
    }

    #[test]
    fn a_component_with_some_bytes_changed_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = decent().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(end.index(bytes.len()));
        }
        if let Err(findings) = outline(&bytes, 1 << 20, &StructureLimits::usual(), false) {
            prop_assert!(!findings.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_like_text_is_data_or_a_named_failure(text in json_like()) {
        match read_answer(&text, &limits()) {
            // A backslash that is itself escaped escapes nothing.
            Ok(step) => prop_assert!(!serde_json::to_string(&step).unwrap().replace(r"\\", "").contains(r"\u0000")),
            Err(plugin_host::CallError::Failure(failure)) => {
                prop_assert_eq!(failure.kind, domain::plugin::FailureKind::InvalidOutput);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// A guest that returns this as state and as actions.
    #[test]
    fn whatever_a_guest_returns_is_data_or_a_named_failure(text in json_like(), as_actions in any::<bool>()) {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        let runtime = RUNTIME.get_or_init(|| Runtime::new().unwrap());
        runtime.block_on(async {
            let host = host();
            let mut guest = Guest::decent();
            let at = guest.text(&text);
            guest.execute = format!("(call {} {at})", if as_actions { "$actions" } else { "$state" });
            let plugin = load(&host, guest.component()).await;
            let called = host.node(&plugin, &plain_caller(), &effect()).await;
            if let Err(plugin_host::CallError::Failure(failure)) = called.result {
                assert_eq!(failure.kind, domain::plugin::FailureKind::InvalidOutput, "{text}");
                assert!(failure.message.len() < 2_200);
            }
        });
    }
}

/// Texts that are JSON, nearly JSON, or nothing of the kind.
fn json_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just("\"messages\"".to_owned()),
        Just("\"variables\"".to_owned()),
        Just("\"\\u0000\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("1e999".to_owned()),
        Just("-0".to_owned()),
        Just("null".to_owned()),
        "[ -~é\u{0}]{0,5}",
    ];
    prop_oneof![
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat()),
        (1_usize..900).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
        any::<i64>().prop_map(|number| format!("{{\"variables\":{{\"a\":{number}}}}}")),
    ]
}
