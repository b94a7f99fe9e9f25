//! Whether a manifest says what it should.

use std::collections::BTreeSet;

use domain::plugin::{Capabilities, Example, Exit, Manifest, TriggerKind, TriggerTypeSpec};
use serde_json::Value;

use super::{Finding, Outline};
use crate::rule_faults;

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;
/// Bytes of a title.
const TITLE_BYTES_MAX: usize = 100;
/// Bytes of a description.
const DESCRIPTION_BYTES_MAX: usize = 4_000;
/// Node and trigger types of a plugin.
const TYPES_MAX: usize = 50;
/// Exits of a node.
const EXITS_MAX: usize = 50;
/// Examples of a type.
const EXAMPLES_MAX: usize = 20;
/// Rules, secrets or settings.
const WISHES_MAX: usize = 50;
/// Seconds between two looks of a poller.
const INTERVAL_SECONDS: std::ops::RangeInclusive<u32> = 10..=86_400 * 31;
/// What a flow writes beside a node's own fields.
const RESERVED_FIELDS: [&str; 2] = ["exits", "retries"];
/// Capabilities that reach outwards or keep something, or would stop the plugin when they are denied.
const DECLARED: [&str; 5] = ["http", "kv", "secrets", "clock", "random"];

/// Everything that is wrong with a manifest, and with the component that carries it.
pub fn manifest_faults(manifest: &Manifest, outline: &Outline) -> Vec<Finding> {
    let mut faults = Faults(Vec::new());
    faults.check("/name", is_word(&manifest.name, '-'), "the name is in kebab case, for example `order-status`");
    let is_version = semver::Version::parse(&manifest.version).is_ok();
    faults.check("/version", is_version, "the version is semantic, for example `1.4.0`");
    faults.texts("", &manifest.title, &manifest.description);
    let count = manifest.nodes.len() + manifest.triggers.len();
    faults.check("", count > 0, "there is neither a node type nor a trigger type");
    faults.check("", count <= TYPES_MAX, &format!("there are more than {TYPES_MAX} types"));
    faults.check(
        "/nodes",
        manifest.nodes.is_empty() || outline.exports("node"),
        "it has node types and exports no `node`",
    );
    faults.check(
        "/triggers",
        manifest.triggers.is_empty() || outline.exports("trigger"),
        "it has trigger types and exports no `trigger`",
    );
    faults.unique("/nodes", manifest.nodes.iter().map(|node| node.name.as_str()));
    faults.unique("/triggers", manifest.triggers.iter().map(|trigger| trigger.name.as_str()));
    for (index, node) in manifest.nodes.iter().enumerate() {
        let at = format!("/nodes/{index}");
        faults.named(&at, &node.name);
        faults.texts(&at, &node.title, &node.description);
        faults.exits(&format!("{at}/exits"), &node.exits);
        faults.schema(&at, &node.config_schema, &node.examples);
    }
    for (index, trigger) in manifest.triggers.iter().enumerate() {
        let at = format!("/triggers/{index}");
        faults.named(&at, &trigger.name);
        faults.texts(&at, &trigger.title, &trigger.description);
        faults.interval(&at, trigger);
        faults.schema(&at, &trigger.config_schema, &trigger.examples);
    }
    faults.capabilities(&manifest.capabilities);
    faults.imports(&manifest.capabilities, outline);
    faults.0
}

struct Faults(Vec<Finding>);

impl Faults {
    fn check(&mut self, at: &str, holds: bool, why: &str) {
        if !holds {
            self.0.push(Finding::refusal("manifest", why).at(at));
        }
    }

    fn named(&mut self, at: &str, name: &str) {
        self.check(&format!("{at}/type"), is_word(name, '-'), "the type is in kebab case, for example `ask-date`");
    }

    fn texts(&mut self, at: &str, title: &str, description: &str) {
        let is_title = !title.trim().is_empty() && title.len() <= TITLE_BYTES_MAX;
        self.check(&format!("{at}/title"), is_title, &format!("the title has 1 to {TITLE_BYTES_MAX} bytes"));
        let fits = description.len() <= DESCRIPTION_BYTES_MAX;
        self.check(
            &format!("{at}/description"),
            fits,
            &format!("the description has at most {DESCRIPTION_BYTES_MAX} bytes"),
        );
    }

    fn unique<'a>(&mut self, at: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.enumerate() {
            self.check(&format!("{at}/{index}"), seen.insert(name), &format!("{name} is there twice"));
        }
    }

    fn exits(&mut self, at: &str, exits: &[Exit]) {
        self.check(at, exits.len() <= EXITS_MAX, &format!("there are more than {EXITS_MAX} exits"));
        self.unique(at, exits.iter().map(|exit| exit.name.as_str()));
        for (index, exit) in exits.iter().enumerate() {
            let at = format!("{at}/{index}/name");
            self.check(&at, is_word(&exit.name, '_'), "an exit is in snake case, for example `not_found`");
            self.check(&at, exit.name != "error", "the exit `error` is always there and not listed");
        }
    }

    fn interval(&mut self, at: &str, trigger: &TriggerTypeSpec) {
        let Some(seconds) = trigger.interval_seconds else { return };
        let at = format!("{at}/interval_seconds");
        self.check(&at, trigger.kind == TriggerKind::Poller, "only a poller has an interval");
        let (least, most) = (INTERVAL_SECONDS.start(), INTERVAL_SECONDS.end());
        self.check(&at, INTERVAL_SECONDS.contains(&seconds), &format!("the interval is {least} to {most} seconds"));
    }

    fn schema(&mut self, at: &str, schema: &Value, examples: &[Example]) {
        let place = format!("{at}/config_schema");
        self.check(
            &format!("{at}/examples"),
            examples.len() <= EXAMPLES_MAX,
            &format!("there are more than {EXAMPLES_MAX} examples"),
        );
        for field in RESERVED_FIELDS {
            let is_free = schema["properties"].get(field).is_none();
            self.check(&place, is_free, &format!("a field cannot be called `{field}`: flows write their own there"));
        }
        let validator = match jsonschema::draft202012::new(schema) {
            Ok(validator) => validator,
            Err(error) => {
                self.check(&place, false, &format!("this is no JSON Schema: {error}"));
                return;
            }
        };
        for (index, example) in examples.iter().enumerate() {
            let at = format!("{at}/examples/{index}");
            self.check(&format!("{at}/name"), !example.name.trim().is_empty(), "an example has a name");
            let config =
                if example.config.is_null() { Value::Object(domain::JsonMap::new()) } else { example.config.clone() };
            for error in validator.iter_errors(&config).take(5) {
                let at = format!("{at}/config{}", error.instance_path());
                self.check(&at, false, &format!("the example does not fit the schema: {error}"));
            }
        }
    }

    fn capabilities(&mut self, wanted: &Capabilities) {
        let counts = [("http", wanted.http.len()), ("secrets", wanted.secrets.len()), ("config", wanted.config.len())];
        for (name, count) in counts {
            let at = format!("/capabilities/{name}");
            self.check(&at, count <= WISHES_MAX, &format!("there are more than {WISHES_MAX}"));
        }
        for (index, rule) in wanted.http.iter().enumerate() {
            for (pointer, why) in rule_faults(rule, true) {
                self.check(&format!("/capabilities/http/{index}{pointer}"), false, &why);
            }
        }
        self.unique("/capabilities/secrets", wanted.secrets.iter().map(|secret| secret.name.as_str()));
        for (index, secret) in wanted.secrets.iter().enumerate() {
            let is_name = is_word(&secret.name.to_ascii_lowercase(), '_') && !secret.name.contains(char::is_lowercase);
            let at = format!("/capabilities/secrets/{index}/name");
            self.check(&at, is_name, "a secret is in upper snake case, for example `API_TOKEN`");
        }
        self.unique("/capabilities/config", wanted.config.iter().map(|setting| setting.key.as_str()));
        for (index, setting) in wanted.config.iter().enumerate() {
            let at = format!("/capabilities/config/{index}/key");
            self.check(&at, is_word(&setting.key, '_'), "a setting is in snake case, for example `base_url`");
        }
    }

    /// What a component imports, it says that it wants. Components of toolchains that import the whole world are warned.
    fn imports(&mut self, wanted: &Capabilities, outline: &Outline) {
        for name in &outline.imports {
            let is_wanted = match name.as_str() {
                "http" => !wanted.http.is_empty(),
                "kv" => wanted.kv.is_some(),
                "secrets" => !wanted.secrets.is_empty(),
                "clock" => wanted.clock,
                "random" => wanted.random,
                "config" => !wanted.config.is_empty(),
                _ => wanted.log,
            };
            if is_wanted {
                continue;
            }
            let why = format!("it imports `{name}`, which its manifest does not ask for; every use will be denied");
            let is_refused = DECLARED.contains(&name.as_str()) && !outline.has_wasi;
            let finding = if is_refused { Finding::refusal } else { Finding::warning };
            self.0.push(finding("undeclared_capability", why).at(format!("/capabilities/{name}")));
        }
    }
}

/// Lower-case words and digits, joined, beginning with a letter.
fn is_word(text: &str, joint: char) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= NAME_BYTES_MAX && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split(joint).all(is_part)
}
