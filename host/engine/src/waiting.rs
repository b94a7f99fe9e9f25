//! Warns of messages that a flow may say when the customer service window is closed.

use domain::Window;

use crate::{
    flow::Opening,
    issues::Issues,
    nodes::{Node, Silence},
};

/// Seconds of silence after which the window is closed for certain.
const CLOSED: i64 = Window::LENGTH.num_seconds();

/// Warns of nodes that say something that is no template although, on some way to them, the contact has not written for
/// 24 hours: because of waits and time-outs whose length is known, or because only the clock starts the flow.
pub(crate) fn check(issues: &mut Issues, nodes: &[(i64, usize, Option<Node>)], opening: Opening) {
    let Some(read) = nodes.iter().map(|(_, _, node)| node.as_ref()).collect::<Option<Vec<&Node>>>() else { return };
    let silence = longest_silence(&read, opening);
    for ((position, place, node), silence) in nodes.iter().zip(silence) {
        let minds = node.as_ref().and_then(Node::outgoing).is_none_or(crate::outgoing::Outgoing::minds_window);
        if minds || silence.is_none_or(|seconds| seconds < CLOSED) {
            continue;
        }
        issues.about(Some(*position));
        let why = match opening {
            Opening::ByClock => {
                "may be said to somebody who has not written for 24 hours, because only the clock starts the flow"
            }
            Opening::Unknown => "may be said when the contact has not written for 24 hours",
        };
        let detail = format!("{why}; WhatsApp then takes only templates: set `fallback_template`, or an `error_path`");
        issues.warning("window_may_be_closed", format!("/nodes/{place}/config/content"), detail);
    }
    issues.about(None);
}

/// For how many seconds the contact may have been silent when each node is entered, at most [`CLOSED`]; none for nodes
/// that are never reached.
fn longest_silence(nodes: &[&Node], opening: Opening) -> Vec<Option<i64>> {
    let mut silence: Vec<Option<i64>> = vec![None; nodes.len()];
    if let Some(first) = silence.first_mut() {
        *first = Some(if opening == Opening::ByClock { CLOSED } else { 0 });
    }
    let ways: Vec<Vec<(usize, Silence)>> = nodes.iter().map(|node| node.silences()).collect();
    // Without loops the longest way has fewer steps than there are nodes. What still grows then lies behind a loop that
    // waits, which can be gone through until the window is closed.
    for round in 0..=2 * nodes.len() {
        let mut grew = false;
        for (from, ways) in ways.iter().enumerate() {
            let Some(before) = silence[from] else { continue };
            for &(to, after) in ways {
                let after = match after {
                    Silence::Broken => 0,
                    Silence::Longer(_) if before >= CLOSED => CLOSED,
                    Silence::Longer(by) => before.saturating_add(by.num_seconds()).min(CLOSED),
                };
                if silence[to].is_none_or(|known| known < after) {
                    silence[to] = Some(if round > nodes.len() { CLOSED } else { after });
                    grew = true;
                }
            }
        }
        if !grew {
            break;
        }
    }
    silence
}
