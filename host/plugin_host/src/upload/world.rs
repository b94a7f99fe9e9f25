//! What a component imports and exports, against the contract.

use wit_parser::{Resolve, WorldId};

use super::{Finding, structure::Names};

/// Versions of the contract that are served.
pub const CONTRACTS: [&str; 1] = ["0.1.0"];

const PACKAGE: &str = "chatboost:plugin/";
/// The contract itself; only the first file names the package.
const WIT: &str = concat!(
    include_str!("../../../../wit/chatboost-plugin@0.1.0/types.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/capabilities.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/node.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/trigger.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/worlds.wit"),
);
/// What a plugin can import.
const CAPABILITIES: [&str; 7] = ["log", "http", "kv", "secrets", "clock", "random", "config"];
/// What it can export.
const EXPORTS: [&str; 3] = ["manifest", "node", "trigger"];

/// A component from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Version of the contract.
    pub contract: &'static str,
    /// Capabilities that it imports.
    pub imports: Vec<String>,
    /// Interfaces of the contract that it exports.
    pub exports: Vec<String>,
    /// Whether it imports WASI.
    pub has_wasi: bool,
}

impl Outline {
    pub(super) fn exports(&self, name: &str) -> bool {
        self.exports.iter().any(|export| export == name)
    }
}

pub(super) fn check(component: &[u8], names: Names, allows_wasi: bool) -> Result<Outline, Vec<Finding>> {
    let mut findings = Vec::new();
    let contract = CONTRACTS[0];
    let mut outline = Outline { contract, imports: Vec::new(), exports: Vec::new(), has_wasi: false };
    for import in names.imports {
        match ours(&import) {
            // Types come along with whatever uses them.
            Some(("types", version)) if version == contract => {}
            Some((name, version)) if version == contract && CAPABILITIES.contains(&name) => {
                outline.imports.push(name.to_owned());
            }
            Some((_, version)) if version != contract => findings.push(wrong_version("imports", &import, version)),
            _ if import.starts_with("wasi:") && allows_wasi => outline.has_wasi = true,
            _ if import.starts_with("wasi:") => findings.push(
                Finding::refusal(
                    "wasi",
                    format!("it imports {import}; the operator has not allowed WASI (PLUGIN_WASI)"),
                )
                .at(import),
            ),
            _ => findings.push(
                Finding::refusal("unknown_import", format!("it imports {import}, which there is not")).at(import),
            ),
        }
    }
    for export in names.exports {
        match ours(&export) {
            Some((name, version)) if version == contract && EXPORTS.contains(&name) => {
                outline.exports.push(name.to_owned());
            }
            Some((_, version)) if version != contract => findings.push(wrong_version("exports", &export, version)),
            // What else it exports harms nobody and is never called.
            _ => {}
        }
    }
    let is_other_version = findings.iter().any(|finding| finding.code == "wrong_version");
    if !is_other_version {
        findings.extend(missing(&outline));
    }
    if findings.is_empty()
        && let Err(why) = fits(component, &outline)
    {
        findings.push(Finding::refusal("wrong_type", format!("it does not fit the contract {contract}: {why}")));
    }
    if findings.is_empty() { Ok(outline) } else { Err(findings) }
}

fn missing(outline: &Outline) -> Vec<Finding> {
    let mut missing = Vec::new();
    if !outline.exports("manifest") {
        let name = format!("{PACKAGE}manifest@{}", outline.contract);
        missing.push(Finding::refusal("missing_export", format!("it does not export {name}")).at(name));
    }
    if !outline.exports("node") && !outline.exports("trigger") {
        let why = format!("it exports neither {PACKAGE}node@{0} nor {PACKAGE}trigger@{0}", outline.contract);
        missing.push(Finding::refusal("missing_export", why));
    }
    missing
}

fn wrong_version(does: &str, name: &str, version: &str) -> Finding {
    let served = CONTRACTS.join(", ");
    let made_for = if version.is_empty() { "no version".to_owned() } else { format!("version {version}") };
    let why = format!("it {does} {name}, made for {made_for} of the contract; this server serves {served}");
    Finding::refusal("wrong_version", why).at(name)
}

/// Interface and version of a name of our package.
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

/// Whether the types agree. With WASI that is found out when it is linked.
fn fits(component: &[u8], outline: &Outline) -> Result<(), String> {
    if outline.has_wasi {
        return Ok(());
    }
    let world = match (outline.exports("node"), outline.exports("trigger")) {
        (true, true) => "plugin",
        (true, false) => "node-plugin",
        (false, _) => "trigger-plugin",
    };
    let (resolve, world) = contract(world).map_err(|why| format!("the contract cannot be read: {why}"))?;
    wit_component::targets(&resolve, world, component)
        .map_err(|error| error.chain().last().map_or_else(|| error.to_string(), ToString::to_string))
}

fn contract(world: &str) -> Result<(Resolve, WorldId), String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("chatboost-plugin.wit", WIT).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], Some(world)).map_err(|error| format!("{error:#}"))?;
    Ok((resolve, world))
}
