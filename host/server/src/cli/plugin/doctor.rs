//! `chatboost plugin doctor`: why plugins cannot be built here, and what to do.

use std::path::PathBuf;

use clap::Args;

use super::{
    project::Project,
    toolchain::{self, Toolchain, output},
};

/// Where to look.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The plugin's folder; looked at if there is one
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<(), String> {
    let mut troubles = 0;
    let mut tell = |name: &str, found: Result<String, String>| match found {
        Ok(text) => println!("ok       {name}: {text}"),
        Err(text) => {
            troubles += 1;
            println!("missing  {name}: {}", text.replace('\n', "\n         "));
        }
    };
    let install = "not found; install Rust from https://rustup.rs".to_owned();
    tell("cargo", output("cargo", &["--version"]).ok_or_else(|| install.clone()));
    tell("rustc", output("rustc", &["--version"]).ok_or(install));
    tell(
        "compiler for plugins",
        match Toolchain::find(false) {
            Ok(Toolchain::Own) => Ok(format!("the toolchain's own, {}", toolchain::TARGET)),
            Ok(Toolchain::Unpacked { root, .. }) => Ok(format!("the one in {}", root.display())),
            Err(missing) => Err(format!("{}\n{}", missing.findings.join("\n"), toolchain::advice())),
        },
    );
    tell(
        "SDK",
        match toolchain::sdk() {
            Some(sdk) => Ok(sdk.display().to_string()),
            None => Err("the checkout that this program was built from is gone; \
                `chatboost plugin new --sdk PATH` takes another one's folder sdk"
                .to_owned()),
        },
    );
    if options.folder.join("Cargo.toml").is_file() {
        match Project::open(&options.folder) {
            Ok(project) if project.faults().is_empty() => tell("plugin", Ok(project.name)),
            Ok(project) => tell("plugin", Err(project.faults().join("\n"))),
            Err(fault) => tell("plugin", Err(fault)),
        }
    }
    match troubles {
        0 => Ok(()),
        1 => Err("one thing is missing; see above".to_owned()),
        n => Err(format!("{n} things are missing; see above")),
    }
}
