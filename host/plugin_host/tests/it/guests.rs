//! Components for tests, from pieces of WebAssembly text.
//!
//! A guest is a core module by the canonical ABI, wrapped by wit-component. Functions that a test does not write do
//! something harmless.

use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: [&str; 5] = [
    include_str!("../../../../wit/chatboost-plugin@0.1.0/types.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/capabilities.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/node.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/trigger.wit"),
    include_str!("../../../../wit/chatboost-plugin@0.1.0/worlds.wit"),
];

/// Where a guest's answer is built, and where its texts lie.
const TEXTS: usize = 4096;

/// A guest in pieces.
#[derive(Clone)]
pub(crate) struct Guest {
    /// What `describe` returns.
    pub(crate) manifest: String,
    /// Imports and globals.
    pub(crate) head: String,
    /// Functions and data of the test's own.
    pub(crate) items: String,
    /// Body of each export; the answer's address is left on the stack.
    pub(crate) describe: String,
    pub(crate) execute: String,
    pub(crate) resume: String,
    pub(crate) matches: String,
    pub(crate) handle: String,
    pub(crate) poll: String,
    /// Body of the start function.
    pub(crate) start: Option<String>,
    /// Pages of memory.
    pub(crate) pages: u32,
    /// Texts that lie in memory, one after the other from 2048.
    pub(crate) texts: Vec<String>,
}

impl Guest {
    /// Leaves its only node by the exit `done`, matches everything, answers 200, finds nothing.
    pub(crate) fn decent() -> Self {
        Self {
            manifest: manifest(&json!({})).to_string(),
            head: String::new(),
            items: String::new(),
            describe: "(i32.const 1024)".into(),
            execute: "(call $next)".into(),
            resume: "(call $next)".into(),
            matches: "(call $recognised)".into(),
            handle: "(call $answered)".into(),
            poll: "(call $nothing)".into(),
            start: None,
            pages: 2,
            texts: Vec::new(),
        }
    }

    /// With another body of `execute`.
    pub(crate) fn executing(body: &str) -> Self {
        Self { execute: body.into(), ..Self::decent() }
    }

    /// With imports.
    pub(crate) fn importing(mut self, imports: &[&str]) -> Self {
        self.head.push_str(&imports.iter().map(|name| import(name)).collect::<String>());
        self
    }

    /// With a text in memory; its address and length, as two constants.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let at = 2048 + self.texts.iter().map(String::len).sum::<usize>();
        self.texts.push(text.to_owned());
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        wrap(&wat::parse_str(self.module_text()).unwrap_or_else(|error| panic!("{error}\n{}", self.module_text())))
    }

    /// The core module, as text.
    pub(crate) fn module_text(&self) -> String {
        let texts: String = self.texts.concat();
        assert!(texts.len() <= TEXTS - 2048, "the texts do not fit");
        let start = self.start.as_ref().map_or_else(String::new, |body| format!("(func $start {body}) (start $start)"));
        let call = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
        let trigger = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
        let heap = self.manifest.len() + TEXTS + 64;
        format!(
            r#"(module
            {head}
            (memory (export "memory") {pages})
            (global $heap (mut i32) (i32.const {heap}))
            (data (i32.const 1024) "{manifest_at}")
            (data (i32.const 1088) "done")
            (data (i32.const 2048) "{texts}")
            (data (i32.const {TEXTS}) "{manifest}")
            ;; 256: an answer. 1024: address and length of the manifest. 1088: the word done.
            (func $next (result i32)
                (i32.store8 (i32.const 256) (i32.const 0))
                (i32.store8 (i32.const 264) (i32.const 0))
                (i32.store (i32.const 272) (i32.const 1088))
                (i32.store (i32.const 276) (i32.const 4))
                (i32.store8 (i32.const 296) (i32.const 0))
                (i32.store8 (i32.const 308) (i32.const 0))
                (i32.const 256))
            ;; Leaves by `done` with a state.
            (func $state (param $at i32) (param $length i32) (result i32)
                (drop (call $next))
                (i32.store8 (i32.const 296) (i32.const 1))
                (i32.store (i32.const 300) (local.get $at))
                (i32.store (i32.const 304) (local.get $length))
                (i32.const 256))
            ;; Leaves by `done` with actions.
            (func $actions (param $at i32) (param $length i32) (result i32)
                (drop (call $next))
                (i32.store8 (i32.const 308) (i32.const 1))
                (i32.store (i32.const 312) (local.get $at))
                (i32.store (i32.const 316) (local.get $length))
                (i32.const 256))
            ;; Leaves by an exit.
            (func $exit (param $at i32) (param $length i32) (result i32)
                (drop (call $next))
                (i32.store (i32.const 272) (local.get $at))
                (i32.store (i32.const 276) (local.get $length))
                (i32.const 256))
            ;; A permanent fault.
            (func $fault (param $at i32) (param $length i32) (result i32)
                (i32.store8 (i32.const 256) (i32.const 1))
                (i32.store8 (i32.const 264) (i32.const 2))
                (i32.store (i32.const 272) (local.get $at))
                (i32.store (i32.const 276) (local.get $length))
                (i32.store8 (i32.const 280) (i32.const 0))
                (i32.const 256))
            (func $recognised (result i32)
                (i32.store8 (i32.const 256) (i32.const 0))
                (i32.store8 (i32.const 264) (i32.const 1))
                (f64.store (i32.const 272) (f64.const 0.5))
                (i32.store8 (i32.const 280) (i32.const 0))
                (i32.store8 (i32.const 292) (i32.const 0))
                (i32.const 256))
            (func $answered (result i32)
                (i32.store8 (i32.const 256) (i32.const 0))
                (i32.store16 (i32.const 264) (i32.const 200))
                (i32.store (i32.const 268) (i32.const 0))
                (i32.store (i32.const 272) (i32.const 0))
                (i32.store (i32.const 276) (i32.const 1088))
                (i32.store (i32.const 280) (i32.const 4))
                (i32.store8 (i32.const 284) (i32.const 0))
                (i32.const 256))
            (func $nothing (result i32)
                (i32.store8 (i32.const 256) (i32.const 0))
                (i32.store8 (i32.const 264) (i32.const 0))
                (i32.store8 (i32.const 276) (i32.const 0))
                (i32.store8 (i32.const 288) (i32.const 0))
                (i32.const 256))
            ;; Where the text lies that an import has returned as the success of a result at 512.
            (func $ok_at (result i32) (i32.load (i32.const 516)))
            (func $ok_length (result i32) (i32.load (i32.const 520)))
            (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get $new)))
                (block $fits
                    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
                    (drop (memory.grow (i32.add (i32.const 1)
                        (i32.div_u (i32.sub (global.get $heap) (i32.mul (memory.size) (i32.const 65536))) (i32.const 65536))))))
                (local.get $at))
            {items}
            {start}
            (func $describe (export "chatboost:plugin/manifest@0.1.0#describe") (result i32) {describe})
            (func $execute (export "chatboost:plugin/node@0.1.0#execute") {call} (result i32) {execute})
            (func $resume (export "chatboost:plugin/node@0.1.0#resume") {call} (param i32 i32 i32) (result i32) {resume})
            (func $matches (export "chatboost:plugin/trigger@0.1.0#matches") {trigger} (result i32) {matches})
            (func $handle (export "chatboost:plugin/trigger@0.1.0#handle") (param i32) (result i32) {handle})
            (func $poll (export "chatboost:plugin/trigger@0.1.0#poll") {trigger} (result i32) {poll})
            )"#,
            head = self.head,
            pages = self.pages,
            manifest_at = bytes(&[(TEXTS as u32).to_le_bytes(), (self.manifest.len() as u32).to_le_bytes()].concat()),
            manifest = bytes(self.manifest.as_bytes()),
            texts = bytes(texts.as_bytes()),
            items = self.items,
            describe = self.describe,
            execute = self.execute,
            resume = self.resume,
            matches = self.matches,
            handle = self.handle,
            poll = self.poll,
        )
    }
}

/// A core module with the contract's world in it, as a component.
pub(crate) fn wrap(module: &[u8]) -> Vec<u8> {
    wrap_for(module, &WIT.concat())
}

/// A core module as a component of another contract.
pub(crate) fn wrap_for(module: &[u8], wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// The contract as one text.
pub(crate) fn wit() -> String {
    WIT.concat()
}

/// A manifest with one node type and one trigger type of each kind.
pub(crate) fn manifest(capabilities: &serde_json::Value) -> serde_json::Value {
    json!({
        "name": "sample", "version": "1.0.0", "title": "Sample",
        "nodes": [{ "type": "step", "title": "Step", "exits": [{ "name": "done" }], "config_schema": { "type": "object" } }],
        "triggers": [
            { "type": "match", "kind": "matcher", "title": "Match", "config_schema": {} },
            { "type": "hook", "kind": "webhook", "title": "Hook", "config_schema": {} },
            { "type": "look", "kind": "poller", "title": "Look", "config_schema": {} },
        ],
        "capabilities": capabilities,
    })
}

fn import(name: &str) -> String {
    let (interface, function, signature) = match name {
        "log" => ("log", "write", "(param i32 i32 i32 i32 i32 i32)"),
        "http" => ("http", "send", "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)"),
        "get" => ("kv", "get", "(param i32 i32 i32 i32)"),
        "set" => ("kv", "set", "(param i32 i32 i32 i32 i32 i32 i32 i32)"),
        "increment" => ("kv", "increment", "(param i32 i32 i32 i64 i32)"),
        "placeholder" => ("secrets", "placeholder", "(param i32 i32 i32)"),
        "clock" => ("clock", "now-ms", "(result i64)"),
        "random" => ("random", "bytes", "(param i32 i32)"),
        "config" => ("config", "get", "(param i32 i32 i32)"),
        other => panic!("no import {other}"),
    };
    format!("(import \"chatboost:plugin/{interface}@0.1.0\" \"{function}\" (func ${name} {signature}))\n")
}

fn bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
