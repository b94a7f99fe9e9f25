//! What compiles to WebAssembly here.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// What plugins are compiled for.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";
/// Names a folder with an unpacked compiler that has its library's source, where rustup cannot reach its server.
pub(super) const ROOT_VARIABLE: &str = "CHATBOOST_WASM_ROOT";
/// The checkout that this program was built from. It may be gone, or this may be another machine.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A compiler for plugins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Toolchain {
    /// The toolchain that cargo uses anyway; it has the target.
    Own,
    /// A compiler that lies in a folder. It builds the standard library as well.
    Unpacked {
        /// The folder.
        root: PathBuf,
        /// What links.
        linker: PathBuf,
    },
}

/// What a toolchain that is missing would take.
#[derive(Debug)]
pub(super) struct Missing {
    /// What was found and tried, a sentence each.
    pub(super) findings: Vec<String>,
}

impl Toolchain {
    /// Finds a compiler. Installs the target with rustup if there is none and `installs` says so.
    pub(super) fn find(installs: bool) -> Result<Self, Missing> {
        let mut findings = Vec::new();
        let Some(sysroot) = sysroot() else {
            findings.push("There is no rustc. Install Rust from https://rustup.rs".to_owned());
            return Err(Missing { findings });
        };
        if let Some(root) = std::env::var_os(ROOT_VARIABLE) {
            return unpacked(Path::new(&root), &sysroot)
                .map_err(|fault| Missing { findings: vec![format!("{ROOT_VARIABLE}: {fault}")] });
        }
        if has_target(&sysroot) {
            return Ok(Self::Own);
        }
        findings.push(format!("The toolchain in {} has no target {TARGET}.", sysroot.display()));
        if installs {
            match install() {
                Ok(()) if has_target(&sysroot) => return Ok(Self::Own),
                Ok(()) => findings.push("rustup added the target to another toolchain than cargo uses.".to_owned()),
                Err(fault) => findings.push(fault),
            }
        }
        if let Some(found) = prepared().and_then(|root| unpacked(&root, &sysroot).ok()) {
            return Ok(found);
        }
        Err(Missing { findings })
    }

    /// A command that runs cargo with this compiler, and the flags that building takes with it.
    pub(super) fn cargo(&self) -> (Command, Vec<&'static str>) {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Flags for this machine's processor mean nothing to a plugin.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
        match self {
            Self::Own => (cargo, Vec::new()),
            Self::Unpacked { root, linker } => {
                cargo
                    .env("RUSTC", root.join("usr/bin/rustc"))
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("LD_LIBRARY_PATH", library_path(root))
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                (cargo, vec!["-Z", "build-std=std,panic_abort"])
            }
        }
    }
}

/// Text of a command's standard output, if it succeeded.
pub(super) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The folder of the toolchain.
pub(super) fn sysroot() -> Option<PathBuf> {
    output("rustc", &["--print", "sysroot"]).map(PathBuf::from)
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn install() -> Result<(), String> {
    eprintln!("Installing the target {TARGET} (rustup target add {TARGET}).");
    let output = Command::new("rustup").args(["target", "add", TARGET]).output();
    let output = output.map_err(|_| "There is no rustup to install it with.".to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("rustup could not install it: {}", words.lines().last().unwrap_or_default()))
}

/// What `plugins/build` of the checkout has unpacked.
fn prepared() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(CHECKOUT).join("target"), PathBuf::from);
    Some(target.join("guests/debian/root")).filter(|root| root.is_dir())
}

fn unpacked(root: &Path, sysroot: &Path) -> Result<Toolchain, String> {
    let compiler = root.join("usr/bin/rustc");
    if !compiler.is_file() {
        return Err(format!("{} is not there", compiler.display()));
    }
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).map_err(|error| error.to_string())?;
    let linker = hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|linker| linker.is_file());
    let linker = linker.ok_or_else(|| format!("{} has no rust-lld to link with", sysroot.display()))?;
    Ok(Toolchain::Unpacked { root: root.to_owned(), linker })
}

/// The folders with the libraries that the unpacked compiler is linked with.
fn library_path(root: &Path) -> std::ffi::OsString {
    let library = root.join("usr/lib");
    let folders = std::fs::read_dir(&library).into_iter().flatten().flatten().map(|entry| entry.path());
    let inner = folders.filter(|path| path.is_dir()).flat_map(|path| [path.join("lib"), path]);
    // Folders that are not there are passed over by the loader.
    std::env::join_paths(std::iter::once(library.clone()).chain(inner)).unwrap_or_default()
}

/// The SDK of the checkout that this program was built from, if it is still there.
pub(super) fn sdk() -> Option<PathBuf> {
    Path::new(CHECKOUT).join("sdk").canonicalize().ok().filter(|sdk| sdk.join("Cargo.toml").is_file())
}

/// What to do where there is no compiler for plugins.
pub(super) fn advice() -> String {
    format!(
        "With rustup:    rustup target add {TARGET}\n\
         Without it, on Debian: plugins/build in ChatBoost's checkout unpacks Debian's compiler beside its own builds, and\n\
         this command finds it there. Elsewhere, unpack the packages rustc-web, rust-web-src and those they need into a\n\
         folder and name it in {ROOT_VARIABLE}."
    )
}
