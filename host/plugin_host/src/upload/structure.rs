//! What a component is made of: valid by the features that there are, and no part beyond its bound.

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload, Validator};

use super::Finding;
use crate::features;

/// What a component may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructureLimits {
    /// Functions of all modules together.
    pub functions: u64,
    /// Bytes of one function.
    pub function_bytes: u64,
    /// Modules and components within each other.
    pub depth: u64,
    /// Modules and components.
    pub parts: u64,
    /// Segments of data and of elements.
    pub segments: u64,
    /// Memories and tables.
    pub stores: u64,
    /// Types, imports, exports, instances and aliases.
    pub items: u64,
    /// Bytes of one memory to begin with.
    pub memory_bytes: u64,
    /// Elements of one table to begin with.
    pub table_elements: u64,
}

impl StructureLimits {
    /// Room for an interpreter of Python, and not for a bomb.
    pub const fn usual() -> Self {
        Self {
            functions: 60_000,
            function_bytes: 1 << 20,
            depth: 8,
            parts: 100,
            segments: 20_000,
            stores: 40,
            items: 200_000,
            memory_bytes: 64 << 20,
            table_elements: 20_000,
        }
    }
}

/// Names that a component imports and exports.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

pub(super) fn check(component: &[u8], limits: &StructureLimits) -> Result<Names, Finding> {
    let names = count(component, limits)?;
    match Validator::new_with_features(features::OFFERED).validate_all(component) {
        Ok(_) => Ok(names),
        Err(error) => Err(invalid(&error)),
    }
}

/// Counts without looking into anything, which is quick whatever the file is.
fn count(component: &[u8], limits: &StructureLimits) -> Result<Names, Finding> {
    let mut names = Names::default();
    let (mut functions, mut parts, mut segments, mut stores, mut items) = (0, 0, 0, 0, 0);
    let mut depth = 0;
    let bad = |error: wasmparser::BinaryReaderError| invalid(&error);
    let within = |what: &str, count: u64, most: u64| {
        let why = format!("it has {count} {what}, and may have {most}");
        if count > most { Err(Finding::refusal("too_complex", why).at(what)) } else { Ok(()) }
    };
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(bad)?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                parts += 1;
            }
            Payload::End(_) => depth = u64::saturating_sub(depth, 1),
            Payload::CodeSectionStart { count, .. } => functions += u64::from(*count),
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                if bytes > limits.function_bytes {
                    let why = format!("a function has {bytes} bytes, and may have {}", limits.function_bytes);
                    return Err(Finding::refusal("function_too_large", why));
                }
            }
            Payload::DataSection(section) => segments += u64::from(section.count()),
            Payload::ElementSection(section) => segments += u64::from(section.count()),
            Payload::MemorySection(section) => {
                stores += u64::from(section.count());
                for memory in section.clone() {
                    let memory = memory.map_err(bad)?;
                    let page = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(16)).unwrap_or(u64::MAX);
                    let (bytes, most) = (memory.initial.saturating_mul(page), limits.memory_bytes);
                    if bytes > most {
                        let why = format!("it wants {bytes} bytes of memory to begin with, and may have {most}");
                        return Err(Finding::refusal("too_much_memory", why));
                    }
                }
            }
            Payload::TableSection(section) => {
                stores += u64::from(section.count());
                for table in section.clone() {
                    let (elements, most) = (table.map_err(bad)?.ty.initial, limits.table_elements);
                    if elements > most {
                        let why = format!("it wants a table of {elements} elements to begin with, and may have {most}");
                        return Err(Finding::refusal("too_much_table", why));
                    }
                }
            }
            Payload::TypeSection(section) => items += u64::from(section.count()),
            Payload::ImportSection(section) => items += u64::from(section.count()),
            Payload::ExportSection(section) => items += u64::from(section.count()),
            Payload::GlobalSection(section) => items += u64::from(section.count()),
            Payload::InstanceSection(section) => items += u64::from(section.count()),
            Payload::CoreTypeSection(section) => items += u64::from(section.count()),
            Payload::ComponentInstanceSection(section) => items += u64::from(section.count()),
            Payload::ComponentAliasSection(section) => items += u64::from(section.count()),
            Payload::ComponentTypeSection(section) => items += u64::from(section.count()),
            Payload::ComponentCanonicalSection(section) => items += u64::from(section.count()),
            Payload::ComponentImportSection(section) => {
                items += u64::from(section.count());
                if depth == 0 {
                    for import in section.clone() {
                        names.imports.push(import.map_err(bad)?.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                items += u64::from(section.count());
                if depth == 0 {
                    for export in section.clone() {
                        names.exports.push(export.map_err(bad)?.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
        within("functions", functions, limits.functions)?;
        within("levels", depth, limits.depth)?;
        within("modules and components", parts, limits.parts)?;
        within("segments", segments, limits.segments)?;
        within("memories and tables", stores, limits.stores)?;
        within("types, imports and exports", items, limits.items)?;
    }
    Ok(names)
}

fn invalid(error: &wasmparser::BinaryReaderError) -> Finding {
    let text = error.message();
    if text.contains("unexpected end") {
        return Finding::refusal("truncated", "the file, or a part of it, ends in the middle");
    }
    if text.contains("must be enabled") || text.contains("not enabled") || text.contains("multiple memories") {
        let why = format!("it uses a feature of WebAssembly that plugins do not have: {text}");
        return Finding::refusal("unsupported_feature", why);
    }
    Finding::refusal("invalid", format!("it is not valid: {text} (at byte {})", error.offset()))
}
