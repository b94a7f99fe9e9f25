//! `chatboost-componentize MODULE COMPONENT …`: makes a component of each module. For `plugins/build`; plugin authors have
//! `chatboost plugin build`.

use std::{fs, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() || paths.len() % 2 == 1 {
        eprintln!("usage: chatboost-componentize MODULE COMPONENT …");
        return ExitCode::from(2);
    }
    for pair in paths.chunks_exact(2) {
        if let Err(fault) = make(Path::new(&pair[0]), Path::new(&pair[1])) {
            eprintln!("{}: {fault}", pair[0]);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Writes beside the place first: whoever reads a component meanwhile gets the old one or the new one.
fn make(module: &Path, component: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let made = chatboost_build::componentize(&fs::read(module)?)?;
    let beside = component.with_extension("wasm.part");
    fs::write(&beside, made)?;
    fs::rename(&beside, component)?;
    Ok(())
}
