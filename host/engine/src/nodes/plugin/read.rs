//! Reading the settings of a plugin's node, against what its manifest says.

use std::collections::BTreeMap;

use domain::{
    JsonMap,
    plugin::{Catalogue, NodeTypeSpec},
};
use serde_json::Value;

use super::PluginNode;
use crate::{
    config::{Compiler, Reader},
    issues::member,
    limits::PLUGIN_RETRIES,
    schema::Schema,
    template::Mode,
};

/// The way out for failures; every node has it and no manifest lists it.
pub(super) const ERROR: &str = "error";
/// Fields of a node's settings that are the flow's and not the plugin's.
const OURS: [&str; 2] = ["exits", "retries"];
/// Attempts after the first one unless the node says otherwise.
const RETRIES: u32 = 2;

/// Reads a node of type `word`, found at `pointer`; `config` is its settings.
pub(crate) fn read(
    compiler: &mut Compiler,
    catalogue: &Catalogue,
    pointer: &str,
    word: &str,
    config: &JsonMap,
) -> Option<PluginNode> {
    let (plugin, node_type) = word.split_once('/')?;
    let at_type = member(pointer, "type");
    let Some(usable) = catalogue.get(plugin) else {
        let (code, detail) = if catalogue.is_disabled(plugin) {
            ("disabled_plugin", format!("the plugin `{plugin}` is switched off"))
        } else {
            ("unknown_plugin", format!("there is no plugin `{plugin}`"))
        };
        compiler.issues.error(code, at_type, detail);
        return None;
    };
    let Some(spec) = usable.manifest.node(node_type) else {
        let known: Vec<&str> = usable.manifest.nodes.iter().map(|node| node.name.as_str()).collect();
        let detail = match known.is_empty() {
            true => format!("the plugin `{plugin}` has no nodes"),
            false => format!("`{node_type}` is no node of the plugin `{plugin}`; there are {}", known.join(", ")),
        };
        compiler.issues.error("unknown_node_type", at_type, detail);
        return None;
    };
    let pointer = member(pointer, "config");
    let own: JsonMap = config.iter().filter(|(name, _)| !OURS.contains(&name.as_str())).map(copy).collect();
    let schema = check_config(compiler, &pointer, spec, own.clone());
    let mut reader = Reader::new(compiler, config, pointer.clone());
    let retries = reader.whole("retries", 0, PLUGIN_RETRIES, RETRIES);
    let mut fields = Vec::with_capacity(own.len());
    for (name, value) in &own {
        let at = member(&pointer, name);
        fields.push(reader.data_of(&at, value, Mode::Native).map(|data| (name.clone(), data)));
    }
    let exits = read_exits(&mut reader, spec);
    let config = fields.into_iter().collect::<Option<Vec<_>>>();
    let (exits, error) = exits?;
    Some(PluginNode {
        word: word.to_owned(),
        pin: usable.pin.clone(),
        node_type: node_type.to_owned(),
        config: config?,
        schema: schema?,
        exits,
        error,
        retries: retries?,
    })
}

fn copy((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn check_config(compiler: &mut Compiler, pointer: &str, spec: &NodeTypeSpec, own: JsonMap) -> Option<Schema> {
    let schema = match Schema::compile(&spec.config_schema) {
        Ok(schema) => schema,
        Err(fault) => {
            let detail = format!("the plugin's schema of these settings cannot be used: {fault}");
            compiler.issues.error("broken_plugin", pointer, detail);
            return None;
        }
    };
    let misfits = schema.misfits_of_template(&Value::Object(own));
    let fits = misfits.is_empty();
    for (at, detail) in misfits {
        compiler.issues.error("invalid_config", format!("{pointer}{at}"), detail);
    }
    fits.then_some(schema)
}

type Exits = (BTreeMap<String, Option<usize>>, Option<usize>);

fn read_exits(reader: &mut Reader<'_, '_>, spec: &NodeTypeSpec) -> Option<Exits> {
    let mut exits: BTreeMap<String, Option<usize>> =
        spec.exits.iter().filter(|exit| exit.name != ERROR).map(|exit| (exit.name.clone(), None)).collect();
    let mut error = None;
    let mut sound = true;
    let pointer = reader.at("exits");
    let empty = JsonMap::new();
    let members = match reader.get("exits") {
        None => &empty,
        Some(Value::Object(members)) => members,
        Some(_) => {
            reader.wrong_type("exits", "an object of exits and the nodes they lead to");
            return None;
        }
    };
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let at = member(&pointer, name);
        let is_known = name == ERROR || exits.contains_key(name);
        if !is_known {
            let known: Vec<&str> = exits.keys().map(String::as_str).chain([ERROR]).collect();
            reader.error_at("unknown_exit", at, format!("is no exit of this node; there are {}", known.join(", ")));
            sound = false;
            continue;
        }
        let to = reader.reference_of(&at, value);
        sound &= to.is_some();
        if name == ERROR {
            error = to;
        } else {
            exits.insert(name.clone(), to);
        }
    }
    if error.is_none() && sound {
        let detail = "has no `error`: when the plugin fails, the execution fails";
        reader.warning("no_error_exit", "exits", detail);
    }
    sound.then_some((exits, error))
}
