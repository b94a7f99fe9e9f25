//! A plugin's code, ready to be instantiated.

use std::sync::Arc;

use wasmtime::{
    Engine, Result,
    component::{Component, InstancePre, Linker},
};

use crate::{
    bindings::exports::chatboost::plugin::{manifest, node, trigger},
    capabilities,
    run::state::State,
    wasi,
};

/// A plugin's code, linked, of which a fresh instance is made for each call. Cheap to share.
pub struct Loaded {
    pub(crate) digest: Arc<str>,
    pub(crate) engine: Engine,
    pub(crate) pre: InstancePre<State>,
    pub(crate) manifest: manifest::GuestIndices,
    pub(crate) node: Option<node::GuestIndices>,
    pub(crate) trigger: Option<trigger::GuestIndices>,
    pub(crate) has_wasi: bool,
    pub(crate) is_metered: bool,
    /// Bytes of machine code.
    pub(crate) code_bytes: usize,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Loaded {
    /// SHA-256 of the component, lower-case hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it has nodes.
    pub fn has_nodes(&self) -> bool {
        self.node.is_some()
    }

    /// Whether it has triggers.
    pub fn has_triggers(&self) -> bool {
        self.trigger.is_some()
    }
}

/// What components of an engine are linked with.
pub(crate) struct Linkers {
    own: Linker<State>,
    with_wasi: Option<Linker<State>>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine, allows_wasi: bool) -> Result<Self> {
        let mut own = Linker::new(engine);
        capabilities::link(&mut own)?;
        let with_wasi = if allows_wasi {
            let mut linker = Linker::new(engine);
            capabilities::link(&mut linker)?;
            wasi::link(&mut linker)?;
            Some(linker)
        } else {
            None
        };
        Ok(Self { own, with_wasi })
    }

    /// Links a component. Only those that import WASI get it.
    pub(crate) fn load(&self, digest: &str, component: &Component, is_metered: bool) -> Result<Loaded> {
        let engine = component.engine();
        let wants_wasi = component.component_type().imports(engine).any(|(name, _)| name.starts_with("wasi:"));
        let (linker, has_wasi) = match &self.with_wasi {
            Some(linker) if wants_wasi => (linker, true),
            _ => (&self.own, false),
        };
        let pre = linker.instantiate_pre(component)?;
        Ok(Loaded {
            digest: digest.into(),
            engine: engine.clone(),
            manifest: manifest::GuestIndices::new(&pre)?,
            node: node::GuestIndices::new(&pre).ok(),
            trigger: trigger::GuestIndices::new(&pre).ok(),
            pre,
            has_wasi,
            is_metered,
            code_bytes: component.image_range().end as usize - component.image_range().start as usize,
        })
    }
}
