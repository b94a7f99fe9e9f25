//! `chatboost plugin new`: a folder with a plugin that works, to be changed into one's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use super::toolchain;

/// What to begin.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Name of the plugin: lower-case words with hyphens; also the folder's
    name: String,
    /// What it begins with
    #[arg(long, value_enum, default_value_t = Template::Node)]
    template: Template,
    /// Folder of the SDK, `sdk` in a checkout of ChatBoost; the one this program was built from unless given
    #[arg(long)]
    sdk: Option<PathBuf>,
}

/// What a plugin begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// A node that sends a message
    Node,
    /// A node that asks and waits for the answer
    Waiting,
    /// A node that calls a web service with a secret
    Http,
    /// Triggers: a matcher, a webhook handler and a poller
    Trigger,
}

/// An example of the SDK.
struct Source {
    /// Its crate's name in Rust.
    krate: &'static str,
    lib: &'static str,
    test: &'static str,
    description: &'static str,
}

macro_rules! example {
    ($name:literal, $krate:literal, $description:literal) => {
        Source {
            krate: $krate,
            lib: include_str!(concat!("../../../../../sdk/examples/", $name, "/src/lib.rs")),
            test: include_str!(concat!("../../../../../sdk/examples/", $name, "/tests/conversation.rs")),
            description: $description,
        }
    };
}

impl Template {
    fn source(self) -> Source {
        match self {
            Self::Node => example!("hello", "hello", "Greets a contact by name"),
            Self::Waiting => example!("waiting", "waiting", "Asks for a number and waits for it"),
            Self::Http => example!("http-node", "http_node", "Asks a web service for a quotation"),
            Self::Trigger => example!("trigger", "trigger", "Starts flows by commands, requests and a feed"),
        }
    }
}

pub(super) fn run(options: &Options) -> Result<(), String> {
    let name = &options.name;
    check_name(name)?;
    let sdk = match &options.sdk {
        Some(sdk) => sdk.canonicalize().map_err(|error| format!("--sdk {}: {error}", sdk.display()))?,
        None => toolchain::sdk().ok_or(
            "the checkout that this program was built from is gone, and the SDK with it; \
             say with --sdk where the folder sdk of another checkout is",
        )?,
    };
    if !sdk.join("Cargo.toml").is_file() {
        return Err(format!("--sdk {}: has no Cargo.toml; it must be the folder sdk of a checkout", sdk.display()));
    }
    let folder = Path::new(name);
    if folder.exists() {
        return Err(format!("{name}: is there already"));
    }
    let source = options.template.source();
    let krate = name.replace('-', "_");
    let test = source.test.replace(&format!("use {}::", source.krate), &format!("use {krate}::"));
    let files = [
        ("Cargo.toml", cargo_toml(name, source.description, &sdk)),
        (".gitignore", "/target\n".to_owned()),
        ("README.md", readme(name, source.description)),
        ("src/lib.rs", source.lib.to_owned()),
        ("tests/conversation.rs", test),
    ];
    for (path, text) in files {
        let path = folder.join(path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    // The versions of its dependencies that the SDK was tested with. Without them cargo takes the newest ones.
    if let Ok(versions) = fs::read(sdk.join("../Cargo.lock")) {
        fs::write(folder.join("Cargo.lock"), versions).map_err(|error| format!("{name}/Cargo.lock: {error}"))?;
    }
    println!("{name}/src/lib.rs is a plugin that works. Next:");
    println!("  cd {name}");
    println!("  chatboost plugin test");
    println!("  chatboost plugin run");
    Ok(())
}

/// A plugin is named as crates are, and as the server wants it.
fn check_name(name: &str) -> Result<(), String> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if first && rest && !name.ends_with('-') && !name.contains("--") && name.len() <= 64 {
        return Ok(());
    }
    Err(format!("{name}: a plugin's name is lower-case words with hyphens between them, such as opening-hours"))
}

fn cargo_toml(name: &str, description: &str, sdk: &Path) -> String {
    format!(
        r#"[package]
name = "{name}"
description = "{description}"
version = "0.1.0"
edition = "2024"
publish = false

[lib]
# A component is made of the cdylib; tests use the lib.
crate-type = ["cdylib", "lib"]

[dependencies]
chatboost-sdk = {{ path = {sdk:?} }}

[profile.release]
opt-level = "s"
lto = true
codegen-units = 1
panic = "abort"
# Names of functions stay: they are what a backtrace is made of.
strip = "debuginfo"

# A workspace of its own, wherever this folder lies.
[workspace]
"#,
        sdk = sdk.display().to_string()
    )
}

fn readme(name: &str, description: &str) -> String {
    format!(
        "# {name}\n\n{description}.\n\n```\nchatboost plugin test      its tests, on this machine and in the sandbox\n\
         chatboost plugin run       chat with a bot that has this plugin\n\
         chatboost plugin publish   upload it to the server of CHATBOOST_URL, with the key in CHATBOOST_API_KEY\n```\n"
    )
}
