//! `chatboost plugin build`: compiles, and makes a component of what comes out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    project::Project,
    toolchain::{self, TARGET, Toolchain},
};

/// What to build.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The plugin's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<PathBuf, String> {
    build(&Project::open(&options.folder)?)
}

/// Builds a project's component and says where it is.
pub(super) fn build(project: &Project) -> Result<PathBuf, String> {
    let faults = project.faults();
    if !faults.is_empty() {
        return Err(faults.join("\n"));
    }
    let toolchain = Toolchain::find(true).map_err(|missing| {
        format!("plugins cannot be compiled here.\n{}\n\n{}", missing.findings.join("\n"), toolchain::advice())
    })?;
    // A folder of its own: the standard library may have to be built, and other builds must not wait for it.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.folder.join("target"), PathBuf::from);
    let builds = target.join("plugin");
    let (mut cargo, flags) = toolchain.cargo();
    let status = cargo
        .current_dir(&project.folder)
        .env("CARGO_TARGET_DIR", absolute(&builds)?)
        .args(["build", "--quiet", "--release", "--lib", "--target", TARGET])
        .args(flags)
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !status.success() {
        return Err("the plugin does not compile; see above".to_owned());
    }
    let module = builds.join(TARGET).join("release").join(format!("{}.wasm", project.name.replace('-', "_")));
    let bytes = fs::read(&module).map_err(|error| format!("{}: {error}", module.display()))?;
    let made = chatboost_build::componentize(&bytes).map_err(|fault| format!("{}: {fault}", module.display()))?;
    let component = project.component();
    let folder = component.parent().map_or(Ok(()), fs::create_dir_all);
    folder.map_err(|error| format!("{}: {error}", component.display()))?;
    // Whoever reads it meanwhile gets the old one or the new one.
    let part = component.with_extension("wasm.part");
    let written = fs::write(&part, &made).and_then(|()| fs::rename(&part, &component));
    written.map_err(|error| format!("{}: {error}", component.display()))?;
    eprintln!("{} ({} kB)", component.display(), made.len().div_ceil(1000));
    Ok(component)
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}
