//! A flow, from its saved form to one that runs.

use std::collections::HashMap;

use domain::{FlowDefinition, Issue, NodeDefinition, plugin::Catalogue};
use serde_json::{Map, Value};

use crate::{
    config::{Compiler, Reader},
    graph,
    issues::{Issues, member},
    limits::NODES_PER_FLOW,
    nodes::{Node, NodeType, plugin},
    template::Templates,
    waiting,
};

/// A flow ready to run: settings read, references resolved, templates compiled. Never changes; meant to be shared.
#[derive(Debug)]
pub struct Flow {
    /// Ordered by position.
    nodes: Vec<(i64, Node)>,
    by_position: HashMap<i64, usize>,
    templates: Templates,
}

impl Flow {
    /// Index of the node where an execution starts: the one with the lowest position.
    pub(crate) const START: usize = 0;

    /// Compiles a flow.
    ///
    /// # Errors
    /// Every issue of severity `error`; warnings do not keep a flow from running, see [`validate`].
    pub fn compile(definition: &FlowDefinition) -> Result<Self, Vec<Issue>> {
        Self::compile_with(definition, &Catalogue::default())
    }

    /// The same for a flow that may have nodes of plugins: those in the catalogue.
    ///
    /// # Errors
    /// Like [`compile`](Self::compile).
    pub fn compile_with(definition: &FlowDefinition, catalogue: &Catalogue) -> Result<Self, Vec<Issue>> {
        let (flow, issues) = build(definition, catalogue, Opening::Unknown);
        flow.ok_or_else(|| {
            issues.into_list().into_iter().filter(|issue| issue.severity == domain::Severity::Error).collect()
        })
    }

    /// The node with this index.
    pub(crate) fn node(&self, index: usize) -> &Node {
        &self.nodes[index].1
    }

    /// The position of the node with this index.
    pub(crate) fn position(&self, index: usize) -> i64 {
        self.nodes[index].0
    }

    /// The index of the node at a position.
    pub(crate) fn index_of(&self, position: i64) -> Option<usize> {
        self.by_position.get(&position).copied()
    }

    /// The flow's templates.
    pub(crate) fn templates(&self) -> &Templates {
        &self.templates
    }
}

/// What is known of how a flow begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Nothing.
    Unknown,
    /// Only the clock starts it: the contact need not have written at all.
    ByClock,
}

/// Everything wrong with a flow without plugins: errors, which keep it from being published, and warnings.
pub fn validate(definition: &FlowDefinition) -> Vec<Issue> {
    validate_with(definition, &Catalogue::default(), Opening::Unknown)
}

/// Everything wrong with a flow whose nodes may be of the plugins in the catalogue, and of whose beginning more may be known.
pub fn validate_with(definition: &FlowDefinition, catalogue: &Catalogue, opening: Opening) -> Vec<Issue> {
    build(definition, catalogue, opening).1.into_list()
}

fn build(definition: &FlowDefinition, catalogue: &Catalogue, opening: Opening) -> (Option<Flow>, Issues) {
    let mut compiler = Compiler {
        issues: Issues::default(),
        templates: Templates::new(),
        by_position: HashMap::new(),
        by_key: HashMap::new(),
    };
    if definition.nodes.is_empty() {
        compiler.issues.error("empty_flow", "/nodes", "a flow needs at least one node");
        return (None, compiler.issues);
    }
    if definition.nodes.len() > NODES_PER_FLOW {
        compiler.issues.error("too_many_nodes", "/nodes", format!("a flow has at most {NODES_PER_FLOW} nodes"));
        return (None, compiler.issues);
    }
    // Compiled in order of position, while pointers name the place in the definition.
    let mut ordered: Vec<(usize, &NodeDefinition)> = definition.nodes.iter().enumerate().collect();
    ordered.sort_by_key(|(_, node)| node.position);
    name_nodes(&mut compiler, &ordered);

    let mut nodes = Vec::with_capacity(ordered.len());
    for (place, definition) in &ordered {
        compiler.issues.about(Some(definition.position));
        let node = read_node(&mut compiler, catalogue, *place, definition);
        nodes.push((definition.position, *place, node));
    }
    graph::check(&mut compiler.issues, &nodes);
    waiting::check(&mut compiler.issues, &nodes, opening);

    let Compiler { issues, templates, by_position, .. } = compiler;
    if issues.block() {
        return (None, issues);
    }
    let nodes: Option<Vec<_>> = nodes.into_iter().map(|(position, _, node)| Some((position, node?))).collect();
    (nodes.map(|nodes| Flow { nodes, by_position, templates }), issues)
}

/// Fills the tables that references are looked up in.
fn name_nodes(compiler: &mut Compiler, ordered: &[(usize, &NodeDefinition)]) {
    for (index, (place, node)) in ordered.iter().enumerate() {
        compiler.issues.about(Some(node.position));
        if node.position < 0 {
            compiler.issues.error("invalid_position", format!("/nodes/{place}/position"), "must not be negative");
        }
        if compiler.by_position.contains_key(&node.position) {
            let detail = format!("another node has position {} too", node.position);
            compiler.issues.error("duplicate_position", format!("/nodes/{place}/position"), detail);
        }
        compiler.by_position.entry(node.position).or_insert(index);
        let Some(key) = &node.key else { continue };
        let pointer = format!("/nodes/{place}/key");
        if key.trim().is_empty() {
            compiler.issues.error("invalid_key", pointer, "must not be empty");
        } else if compiler.by_key.contains_key(key) {
            compiler.issues.error("duplicate_key", pointer, format!("another node has the key `{key}` too"));
        } else {
            compiler.by_key.insert(key.clone(), index);
        }
    }
}

fn read_node(
    compiler: &mut Compiler,
    catalogue: &Catalogue,
    place: usize,
    definition: &NodeDefinition,
) -> Option<Node> {
    let pointer = format!("/nodes/{place}");
    let kind = NodeType::parse(&definition.kind);
    if kind.is_none() && !definition.kind.contains('/') {
        let detail = format!("`{}` is no node type; there are {}", definition.kind, crate::NODE_TYPES.join(", "));
        compiler.issues.error("unknown_node_type", member(&pointer, "type"), detail);
        return None;
    }
    let at_node = pointer;
    let pointer = member(&at_node, "config");
    let empty = Map::new();
    let members = match &definition.config {
        Value::Object(members) => members,
        Value::Null => &empty,
        _ => {
            compiler.issues.error("wrong_type", pointer, "must be an object");
            return None;
        }
    };
    let Some(kind) = kind else {
        let node = plugin::read(compiler, catalogue, &at_node, &definition.kind, members)?;
        return Some(Node::Plugin(Box::new(node)));
    };
    let mut reader = Reader::new(compiler, members, pointer);
    let node = Node::read(kind, &mut reader);
    reader.finish();
    node
}
