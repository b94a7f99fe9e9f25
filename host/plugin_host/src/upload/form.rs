//! What kind of file it is.

use wasmtime::Engine;

use super::Finding;

/// How a component begins: the magic of WebAssembly, the version and layer of components.
const COMPONENT_MAGIC: [u8; 8] = *b"\0asm\x0d\0\x01\0";
/// How WebAssembly begins.
const MAGIC: &[u8] = b"\0asm";
/// What follows in a core module.
const MODULE_VERSION: &[u8] = &[1, 0, 0, 0];

pub(super) fn check(file: &[u8], bytes_max: usize) -> Result<(), Finding> {
    if file.len() > bytes_max {
        let why = format!("the file has {} bytes, and may have {bytes_max}", file.len());
        return Err(Finding::refusal("too_large", why));
    }
    if file.starts_with(&COMPONENT_MAGIC) {
        return Ok(());
    }
    if file.is_empty() {
        return Err(Finding::refusal("empty", "the file is empty"));
    }
    if file.starts_with(b"\x7fELF") || Engine::detect_precompiled(file).is_some() {
        let why = "this is machine code; upload the WebAssembly component that it was compiled from";
        return Err(Finding::refusal("precompiled", why));
    }
    if let Some(version) = file.strip_prefix(MAGIC) {
        if version.starts_with(MODULE_VERSION) {
            let why = "this is a core module; `chatboost plugin build` makes a component of it";
            return Err(Finding::refusal("core_module", why));
        }
        if MODULE_VERSION.starts_with(version) || COMPONENT_MAGIC[4..].starts_with(version) {
            return Err(Finding::refusal("truncated", "the file ends in the middle"));
        }
        return Err(Finding::refusal("unknown_version", "this is WebAssembly of a version that nobody speaks"));
    }
    if MAGIC.starts_with(file) {
        return Err(Finding::refusal("truncated", "the file ends in the middle"));
    }
    let text = file.trim_ascii_start();
    if text.starts_with(b"(") || text.starts_with(b";;") {
        let why = "this is WebAssembly as text; upload the binary that is made of it";
        return Err(Finding::refusal("text_format", why));
    }
    Err(Finding::refusal("not_wasm", "this is no WebAssembly component"))
}
