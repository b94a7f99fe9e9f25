//! What can be said of a flow's shape without running it.

use crate::{issues::Issues, nodes::Node};

/// Warns of nodes that are never reached, and of loops that nothing ever stops. Nodes come as position, place in the
/// definition, and the node where it could be read.
pub(crate) fn check(issues: &mut Issues, nodes: &[(i64, usize, Option<Node>)]) {
    // A node that could not be read may lead anywhere; guessing would only add noise to the errors already found.
    if nodes.iter().any(|(_, _, node)| node.is_none()) {
        return;
    }
    let exits: Vec<Vec<Option<usize>>> =
        nodes.iter().map(|(_, _, node)| node.as_ref().map(Node::exits).unwrap_or_default()).collect();
    let reached = spread(vec![0], &exits);

    let mut entrances: Vec<Vec<Option<usize>>> = vec![Vec::new(); nodes.len()];
    for (from, targets) in exits.iter().enumerate() {
        for to in targets.iter().flatten() {
            entrances[*to].push(Some(from));
        }
    }
    let stops = nodes.iter().enumerate().filter(|(index, (_, _, node))| {
        node.as_ref().is_some_and(Node::pauses) || exits[*index].is_empty() || exits[*index].contains(&None)
    });
    let stops = stops.map(|(index, _)| index).collect();
    let stopping = spread(stops, &entrances);

    for (index, (position, place, _)) in nodes.iter().enumerate() {
        issues.about(Some(*position));
        if !reached[index] {
            issues.warning("unreachable_node", format!("/nodes/{place}"), "no way leads to this node");
        } else if !stopping[index] {
            let detail = "from here the flow goes in circles without ever waiting or ending";
            issues.warning("endless_loop", format!("/nodes/{place}"), detail);
        }
    }
    issues.about(None);
}

/// Which nodes can be reached from the given ones, themselves included.
fn spread(mut open: Vec<usize>, edges: &[Vec<Option<usize>>]) -> Vec<bool> {
    let mut seen = vec![false; edges.len()];
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut seen[index], true) {
            open.extend(edges[index].iter().flatten());
        }
    }
    seen
}
