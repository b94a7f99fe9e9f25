//! The last step of building a plugin: from the core module that the compiler makes to the component that a server takes.

use thiserror::Error;

/// Why a module cannot become a component.
#[derive(Debug, Error)]
pub enum Fault {
    /// It is text, or something else altogether.
    #[error("it is not WebAssembly: it does not begin with \\0asm")]
    NotWasm,
    /// It is a component.
    #[error("it is a component already")]
    AlreadyComponent,
    /// It has no description of its world, or does not fit it.
    #[error(
        "it cannot be made a component: {0}. Does the plugin call chatboost_sdk::plugin! and is it built as a cdylib?"
    )]
    Unfit(String),
}

/// Makes a component of a core module that was built with `chatboost-sdk` for `wasm32-unknown-unknown`.
///
/// # Errors
///
/// [`Fault`], when the module is none or was built otherwise.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, Fault> {
    match module {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {}
        [0, b'a', b's', b'm', ..] => return Err(Fault::AlreadyComponent),
        _ => return Err(Fault::NotWasm),
    }
    let unfit = |fault: &dyn std::fmt::Display| Fault::Unfit(format!("{fault:#}"));
    wit_component::ComponentEncoder::default()
        .module(module)
        .map_err(|fault| unfit(&fault))?
        .validate(true)
        .encode()
        .map_err(|fault| unfit(&fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_of_a_plugin_is_refused_by_name() {
        assert!(matches!(componentize(b"(module)"), Err(Fault::NotWasm)));
        assert!(matches!(componentize(b""), Err(Fault::NotWasm)));
        assert!(matches!(componentize(b"\0asm\x0d\0\x01\0"), Err(Fault::AlreadyComponent)));
        let Err(Fault::Unfit(text)) = componentize(b"\0asm\x01\0\0\0\xff") else { panic!("a broken module is taken") };
        assert!(!text.is_empty());
    }
}
