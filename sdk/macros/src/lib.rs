//! Attributes of `chatboost-sdk`, which re-exports them. They only spare plugin authors what serde and schemars want to be
//! told where neither is a dependency of the plugin itself.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// Marks the configuration of a node or trigger, and types within it: it can be read, and has a JSON Schema.
///
/// Field names that do not exist are refused. Words of enums are in snake case. Doc comments become descriptions in the
/// schema. Attributes of serde and schemars work as always (`#[serde(default)]`, `#[schemars(range(min = 1))]`); a type
/// that needs another treatment than this can derive `Deserialize` and `JsonSchema` itself.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// /// How a greeting is said.
/// #[config]
/// struct Greeting {
///     /// Text before the name.
///     text: String,
///     /// How often.
///     #[serde(default)]
///     times: Option<u8>,
///     tone: Tone,
/// }
///
/// #[config]
/// #[derive(PartialEq)]
/// enum Tone {
///     VeryFriendly,
///     Cool,
/// }
///
/// let read: Greeting = serde_json::from_value(json!({ "text": "Hi", "tone": "very_friendly" })).unwrap();
/// assert_eq!((read.text.as_str(), read.times, read.tone == Tone::VeryFriendly), ("Hi", None, true));
/// assert!(serde_json::from_value::<Greeting>(json!({ "text": "Hi", "tone": "cool", "tmies": 2 })).is_err());
/// # use chatboost_sdk::serde_json;
/// ```
#[proc_macro_attribute]
pub fn config(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(
        "config",
        &arguments,
        &["serde::Deserialize", "schemars::JsonSchema"],
        Some("schemars"),
        "deny_unknown_fields",
        item,
    )
}

/// Marks what a plugin keeps: state of a node, cursor of a poller, values in `kv`, bodies of requests and answers.
///
/// It can be written and read. Fields that are not known are passed over, so that later versions can read what former ones
/// wrote; `#[serde(default)]` on a field lets it be read where it is missing.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// #[data]
/// struct Points {
///     total: u32,
/// }
///
/// let read: Points = serde_json::from_value(json!({ "total": 3, "since": "May" })).unwrap();
/// assert_eq!(serde_json::to_value(&read).unwrap(), json!({ "total": 3 }));
/// # use chatboost_sdk::serde_json;
/// ```
#[proc_macro_attribute]
pub fn data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand("data", &arguments, &["serde::Serialize", "serde::Deserialize"], None, "", item)
}

/// The item with derives before it, each told where it finds its crate.
fn expand(
    attribute: &str,
    arguments: &TokenStream,
    derives: &[&str],
    second_crate: Option<&str>,
    extra: &str,
    item: TokenStream,
) -> TokenStream {
    if !arguments.is_empty() {
        return compile_error(&format!("#[{attribute}] takes no arguments"));
    }
    let mut derive = String::from("::core::fmt::Debug, ::core::clone::Clone");
    for name in derives {
        derive.push_str(", ::chatboost_sdk::");
        derive.push_str(name);
    }
    let separator = if extra.is_empty() { "" } else { ", " };
    let mut text = format!(
        "#[derive({derive})] #[serde(crate = \"::chatboost_sdk::serde\", rename_all = \"snake_case\"{separator}{extra})]"
    );
    if let Some(name) = second_crate {
        text.push_str(&format!(" #[{name}(crate = \"::chatboost_sdk::{name}\")]"));
    }
    match text.parse::<TokenStream>() {
        Ok(mut attributes) => {
            attributes.extend(item);
            attributes
        }
        Err(fault) => compile_error(&fault.to_string()),
    }
}

fn compile_error(text: &str) -> TokenStream {
    let text = TokenStream::from(TokenTree::Literal(Literal::string(text)));
    TokenStream::from_iter([
        TokenTree::Ident(Ident::new("compile_error", Span::call_site())),
        TokenTree::Punct(Punct::new('!', Spacing::Alone)),
        TokenTree::Group(Group::new(Delimiter::Brace, text)),
    ])
}
