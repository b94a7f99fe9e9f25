//! Which WebAssembly there is for plugins: what compilers of today emit, and nothing else. Less is less to be wrong.

use wasmparser::WasmFeatures;
use wasmtime::Config;

/// What plugins may use. No threads, no shared memory, no garbage collector, no exceptions, no 64-bit or second memories
/// of one module, no switching of stacks, none of the asynchronous component model.
pub(crate) const OFFERED: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Offers them, and no other.
pub(crate) fn apply(config: &mut Config) {
    config.wasm_features(OFFERED.complement(), false);
    config.wasm_features(OFFERED, true);
}
