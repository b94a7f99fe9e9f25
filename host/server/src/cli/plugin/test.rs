//! `chatboost plugin test`: the plugin's own tests, once with its code as it is and once with the component.

use std::{path::PathBuf, process::Command};

use clap::Args;

use super::{build, project::Project};

/// What tells the SDK's harness to run a component instead of the code beside the test.
const COMPONENT_VARIABLE: &str = "CHATBOOST_TEST_COMPONENT";

/// What to test.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The plugin's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// What `cargo test` is told besides
    #[arg(last = true)]
    cargo: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<(), String> {
    let project = Project::open(&options.folder)?;
    let component = build::build(&project)?;
    let component = component.canonicalize().map_err(|error| format!("{}: {error}", component.display()))?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    // What passes here and fails there shows a difference between this machine and a sandbox, which is worth knowing.
    for (place, component) in [("on this machine", None), ("in the server's sandbox", Some(component))] {
        println!("\nTesting the plugin {place}.");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&project.folder).arg("test").args(&options.cargo).env("CHATBOOST", &program);
        match component {
            Some(component) => cargo.env(COMPONENT_VARIABLE, component),
            None => cargo.env_remove(COMPONENT_VARIABLE),
        };
        let status = cargo.status().map_err(|error| format!("cargo cannot be run: {error}"))?;
        if !status.success() {
            return Err(format!("tests failed {place}; see above"));
        }
    }
    Ok(())
}
