//! The macro that makes a plugin of types.

/// Makes a plugin of nodes and triggers. Name, version and description are those of the crate.
///
/// Parts may be left out, but not change places: `title`, `capabilities`, `nodes`, `matchers`, `webhooks`, `pollers`.
/// Nothing but lines in the log, which panics need, is wanted when `capabilities` is left out.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// /// Tosses a coin.
/// #[config]
/// struct Toss {}
///
/// impl Node for Toss {
///     type State = ();
///
///     fn spec() -> NodeSpec {
///         NodeSpec::new("toss", "Toss a coin").exit("heads", "Heads").exit("tails", "Tails")
///     }
///
///     fn execute(&self, _visit: &mut Visit) -> Result<Outcome> {
///         Ok(Outcome::next(if random::below(2) == 0 { "heads" } else { "tails" }))
///     }
/// }
///
/// plugin! {
///     title: "Chance",
///     capabilities: Capabilities::none().log().random(),
///     nodes: [Toss],
/// }
/// # fn main() {}
/// ```
///
/// It defines a type `Plugin` for [tests](crate::testing).
#[macro_export]
macro_rules! plugin {
    (
        title: $title:expr
        $(, capabilities: $capabilities:expr)?
        $(, nodes: [$($node:ty),+ $(,)?])?
        $(, matchers: [$($matcher:ty),+ $(,)?])?
        $(, webhooks: [$($webhook:ty),+ $(,)?])?
        $(, pollers: [$($poller:ty),+ $(,)?])?
        $(,)?
    ) => {
        /// This plugin, for tests.
        #[derive(Debug)]
        pub struct Plugin;

        impl $crate::plugin::Plugin for Plugin {
            const DEFINITION: $crate::plugin::Definition = $crate::plugin::Definition {
                name: ::core::env!("CARGO_PKG_NAME"),
                version: ::core::env!("CARGO_PKG_VERSION"),
                title: $title,
                description: ::core::env!("CARGO_PKG_DESCRIPTION"),
                capabilities: || $crate::__first!($({ $capabilities })? { $crate::Capabilities::none().log() }),
                nodes: &[$($($crate::plugin::NodeEntry::of::<$node>()),+)?],
                triggers: &[
                    $($($crate::plugin::TriggerEntry::matcher::<$matcher>(),)+)?
                    $($($crate::plugin::TriggerEntry::webhook::<$webhook>(),)+)?
                    $($($crate::plugin::TriggerEntry::poller::<$poller>(),)+)?
                ],
            };
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            type Bound = $crate::bindings::Bound<Plugin>;
            $crate::__export!([$($($node)+)?] [$($($matcher)+)? $($($webhook)+)? $($($poller)+)?]);
        };
    };
}

/// The first of some blocks.
#[doc(hidden)]
#[macro_export]
macro_rules! __first {
    ($first:block $($rest:block)*) => {
        $first
    };
}

/// Exports `Bound` as what the plugin's types need.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ([] []) => { ::core::compile_error!("a plugin has at least one node or trigger"); };
    ([$($node:ty)*] [$($trigger:ty)*]) => {
        $crate::bindings::manifest::export_manifest!(Bound with_types_in $crate::bindings::manifest);
        $crate::__export!(@node $($node)*);
        $crate::__export!(@trigger $($trigger)*);
    };
    (@node) => {};
    (@node $($node:ty)+) => { $crate::bindings::node::export_node!(Bound with_types_in $crate::bindings::node); };
    (@trigger) => {};
    (@trigger $($trigger:ty)+) => {
        $crate::bindings::trigger::export_trigger!(Bound with_types_in $crate::bindings::trigger);
    };
}
