//! What is done with a component before it is a plugin. Each step only sees what the one before has let through.

mod difference;
mod examples;
mod form;
mod manifest;
mod pretence;
mod report;
mod structure;
mod world;

use std::{sync::Arc, time::Instant};

use domain::plugin::{FailureKind, Manifest, PluginFailure};

pub use self::{
    difference::{Change, differences},
    manifest::manifest_faults,
    report::{Cost, ExampleReport, Finding, Report, Severity},
    structure::StructureLimits,
    world::{CONTRACTS, Outline},
};
use crate::{CallError, Called, Caller, Flavour, Host, Limits, Loaded, cache::Trusted, load};

/// Bytes of a component that is compiled a second time to count its instructions. Larger ones take too long.
const METERED_BYTES_MAX: usize = 8 << 20;
/// Milliseconds of processor time for one call of a check.
const CPU_MS_MAX: u64 = 2_000;
/// Milliseconds for one call of a check.
const WALL_MS_MAX: u64 = 10_000;

/// What is checked, and how.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Who asked, whose share of the machine it is.
    pub tenant: i64,
    /// Bytes of a component.
    pub bytes_max: usize,
    /// What it may be made of.
    pub structure: StructureLimits,
    /// What its calls will be allowed; checks have no more.
    pub limits: Limits,
    /// The manifest of the version before, to say what changes.
    pub previous: Option<Manifest>,
}

/// A component that may become a plugin.
#[derive(Debug)]
pub struct Examined {
    /// What was found out.
    pub report: Report,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Ready to be called.
    pub loaded: Arc<Loaded>,
}

/// Why a component was not examined to the end.
#[derive(Debug, Clone)]
pub enum ExamineError {
    /// It is no plugin; everything that is wrong with it, as far as could be seen.
    Refused(Vec<Finding>),
    /// The host could not check it; it may be all right.
    Failed(PluginFailure),
}

impl From<Finding> for ExamineError {
    fn from(finding: Finding) -> Self {
        Self::Refused(vec![finding])
    }
}

/// The checks that do not run anything: form, structure, imports and exports.
///
/// # Errors
/// Everything that is wrong with it, as far as could be seen.
pub fn outline(
    wasm: &[u8],
    bytes_max: usize,
    limits: &StructureLimits,
    allows_wasi: bool,
) -> Result<Outline, Vec<Finding>> {
    form::check(wasm, bytes_max).map_err(|finding| vec![finding])?;
    let names = structure::check(wasm, limits).map_err(|finding| vec![finding])?;
    world::check(wasm, names, allows_wasi)
}

impl Host {
    /// Examines a component. Nothing is stored but its compiled code, in the cache.
    ///
    /// # Errors
    /// What is wrong with it, or why it could not be examined.
    pub async fn examine(&self, wasm: Arc<[u8]>, examination: &Examination) -> Result<Examined, ExamineError> {
        let (bytes_max, allows_wasi) = (examination.bytes_max, self.settings.allows_wasi);
        let structure = StructureLimits {
            memory_bytes: examination.structure.memory_bytes.min(examination.limits.memory_bytes),
            table_elements: examination.structure.table_elements.min(examination.limits.table_elements),
            ..examination.structure
        };
        let bytes = wasm.clone();
        let outline = tokio::task::spawn_blocking(move || outline(&bytes, bytes_max, &structure, allows_wasi)).await;
        let outline = outline
            .map_err(|_| Finding::refusal("unreadable", "the component cannot be read"))?
            .map_err(ExamineError::Refused)?;
        let digest = load::digest_of(&wasm);

        let begun = Instant::now();
        let code = self.compile_for_upload(&wasm, Flavour::Serving).await?;
        let compile_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let code_bytes = code.bytes().len();
        let loaded = self.link(&digest, &code, Flavour::Serving).map_err(|failure| unusable(&failure))?;
        let loaded = Arc::new(loaded);
        if loaded.pre.component().resources_required().is_none() {
            let why = "it contains modules or components that only its host could fill in";
            return Err(Finding::refusal("not_self_contained", why).into());
        }

        let caller = pretence::caller(examination, &self.clock, None);
        let first = self.described(&loaded, &caller).await?;
        let second = self.described(&loaded, &caller).await?;
        let (manifest, again) = (first.0, second.0);
        if manifest != again {
            let why = "`describe` gave two different answers, one after the other; it must always give the same";
            return Err(Finding::refusal("describe_differs", why).into());
        }
        let mut findings = manifest_faults(&manifest, &outline);
        if findings.iter().any(|finding| finding.severity == Severity::Refusal) {
            return Err(ExamineError::Refused(findings));
        }

        let metered = match wasm.len() <= METERED_BYTES_MAX {
            true => self.metered(&digest, &wasm).await,
            false => None,
        };
        let run = metered.map(Arc::new);
        let examples = self.run_examples(run.as_ref().unwrap_or(&loaded), &manifest, examination).await?;
        findings.extend(examples.findings);
        if findings.iter().any(|finding| finding.severity == Severity::Refusal) {
            return Err(ExamineError::Refused(findings));
        }
        let report = Report {
            digest: digest.clone(),
            bytes: wasm.len(),
            contract: outline.contract.to_owned(),
            imports: outline.imports.clone(),
            exports: outline.exports.clone(),
            has_wasi: outline.has_wasi,
            compile_ms,
            code_bytes,
            instantiate_us: first.1.instantiate_us.min(second.1.instantiate_us),
            describe: Cost::of(&second.1),
            examples: examples.reports,
            is_deterministic: examples.is_deterministic,
            findings,
            changes: examination.previous.as_ref().map(|previous| differences(previous, &manifest)).unwrap_or_default(),
        };
        let kept = self.cache(&digest, load::compatibility(&self.engine), code).await;
        kept.map_err(ExamineError::Failed)?;
        self.ready.put(&loaded);
        Ok(Examined { report, manifest, loaded })
    }

    async fn compile_for_upload(&self, wasm: &[u8], flavour: Flavour) -> Result<Trusted, ExamineError> {
        self.compiled(wasm, flavour).await.map_err(|failure| match failure.kind {
            FailureKind::Unavailable => Finding::refusal("not_compilable", failure.message).into(),
            _ => ExamineError::Failed(failure),
        })
    }

    /// The same code, counting. That it cannot be had is no fault of the plugin.
    async fn metered(&self, digest: &str, wasm: &[u8]) -> Option<Loaded> {
        let code = self.compiled(wasm, Flavour::Metered).await;
        let linked = code.and_then(|code| self.link(digest, &code, Flavour::Metered));
        linked.inspect_err(|failure| tracing::warn!(?failure, "a component was not compiled for counting")).ok()
    }

    async fn described(&self, loaded: &Arc<Loaded>, caller: &Caller) -> Result<(Manifest, crate::Usage), ExamineError> {
        let Called { result, usage, .. } = self.describe(loaded, caller).await;
        match result {
            Ok(manifest) => Ok((manifest, usage)),
            Err(CallError::Failure(failure)) if is_the_hosts(failure.kind) => Err(ExamineError::Failed(failure)),
            Err(CallError::Failure(failure)) => {
                Err(Finding::refusal("describe_failed", format!("`describe` failed: {}", failure.message))
                    .with_detail(failure.detail)
                    .into())
            }
            Err(CallError::Fault(_)) => Err(Finding::refusal("describe_failed", "`describe` gave no manifest").into()),
        }
    }
}

/// Whether a failure says nothing of the component.
fn is_the_hosts(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Overloaded | FailureKind::CircuitOpen | FailureKind::HostError)
}

fn unusable(failure: &PluginFailure) -> ExamineError {
    Finding::refusal("not_loadable", failure.message.clone()).with_detail(failure.detail.clone()).into()
}
