//! `chatboost plugin check`: what a server does with a component at upload, on this machine.

use std::{fs, path::PathBuf, sync::Arc};

use clap::Args;
use domain::SystemClock;
use plugin_host::{Examination, ExamineError, Examined, Limits};

use super::{host, project, report};

/// Bytes of a component; servers may take less.
const BYTES_MAX: usize = 64 << 20;

/// What to check.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The component, or the plugin's folder
    #[arg(default_value = ".")]
    component: PathBuf,
    /// Print the manifest as JSON
    #[arg(long)]
    manifest: bool,
}

pub(super) async fn run(options: &Options) -> Result<(), String> {
    let path = project::component(&options.component)?;
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let host = host::host(Arc::new(SystemClock))?;
    let examination = Examination {
        tenant: 0,
        bytes_max: BYTES_MAX,
        structure: host::structure(),
        limits: Limits::usual(),
        previous: None,
    };
    match host.examine(bytes.into(), &examination).await {
        Ok(Examined { report, manifest, .. }) => {
            report::show(&manifest.name, &manifest.version, &report);
            if options.manifest {
                let text = serde_json::to_string_pretty(&manifest).map_err(|error| error.to_string())?;
                println!("{text}");
            }
            Ok(())
        }
        Err(ExamineError::Refused(findings)) => {
            report::show_findings(&findings);
            Err(format!("{}: no server takes this; see above", path.display()))
        }
        Err(ExamineError::Failed(failure)) => Err(format!("{}: not checked: {}", path.display(), failure.message)),
    }
}
