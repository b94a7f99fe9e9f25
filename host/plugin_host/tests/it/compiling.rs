//! The compiling child and the cache of compiled code.

use std::{path::Path, sync::Arc, time::Duration};

use domain::plugin::FailureKind;
use plugin_host::{
    CacheSettings, CompileLimits, Compiler, Examination, ExamineError, Host, HostSettings, StructureLimits, digest_of,
};

use crate::{
    guests::Guest,
    world::{effect, host_with, limits, plain_caller, settings},
};

fn child(limits: CompileLimits) -> Compiler {
    Compiler::Child { program: env!("CARGO_BIN_EXE_plugin-compiler").into(), arguments: Vec::new(), limits }
}

fn room() -> CompileLimits {
    CompileLimits { memory_bytes: 2 << 30, cpu_seconds: 60, wall: Duration::from_secs(60), code_bytes: 64 << 20 }
}

fn cached(folder: &Path, compiler: Compiler) -> HostSettings {
    let cache = CacheSettings { folder: folder.to_owned(), key: [7; 32], bytes_max: 1 << 30 };
    HostSettings { compiler, cache: Some(cache), ..settings() }
}

/// A compiler that would be noticed.
fn none() -> Compiler {
    Compiler::Child { program: "/nowhere/at/all".into(), arguments: Vec::new(), limits: room() }
}

async fn runs(host: &Host, component: &[u8]) -> Result<(), domain::plugin::PluginFailure> {
    let wasm = component.to_vec();
    let plugin = host.load(&digest_of(component), async { Ok(wasm) }).await?;
    assert!(host.node(&plugin, &plain_caller(), &effect()).await.result.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_child_compiles_what_this_process_runs() {
    let host = host_with(HostSettings { compiler: child(room()), ..settings() });
    runs(&host, &Guest::decent().component()).await.unwrap();
    // Its code is the same, so a cache serves both.
    let folder = tempfile::tempdir().unwrap();
    runs(&host_with(cached(folder.path(), child(room()))), &Guest::decent().component()).await.unwrap();
    runs(&host_with(cached(folder.path(), none())), &Guest::decent().component()).await.unwrap();
}

/// A component whose compilation takes seconds.
fn heavy() -> Vec<u8> {
    let body = "(local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const 7)) (i32.load (local.get 0))))".repeat(20_000);
    let function = format!("(func (param i32) (result i32) {body} (local.get 0))");
    let guest = Guest { items: function.repeat(8), ..Guest::decent() };
    guest.component()
}

#[tokio::test]
async fn a_compilation_that_takes_too_much_is_killed() {
    let component = heavy();
    let examination = Examination {
        tenant: 1,
        bytes_max: 64 << 20,
        structure: StructureLimits::usual(),
        limits: limits(),
        previous: None,
    };
    let small = Guest::decent().component();
    for (component, limits, word) in [
        (&component, CompileLimits { wall: Duration::from_millis(200), ..room() }, "took longer"),
        (&component, CompileLimits { cpu_seconds: 1, ..room() }, "processor time"),
        (&component, CompileLimits { memory_bytes: 200 << 20, ..room() }, "memory"),
        (&small, CompileLimits { code_bytes: 1000, ..room() }, "1000 bytes of machine code"),
    ] {
        let host = host_with(HostSettings { compiler: child(limits), ..settings() });
        match host.examine(component.clone().into(), &examination).await {
            Err(ExamineError::Refused(findings)) => {
                assert!(
                    findings[0].code == "not_compilable" && findings[0].message.contains(word),
                    "{word}: {findings:?}"
                );
            }
            other => panic!("{word}: {other:?}"),
        }
    }
    // That the compiler is not there is not the plugin's fault.
    let host = host_with(HostSettings { compiler: none(), ..settings() });
    let error = host.examine(component.into(), &examination).await.unwrap_err();
    assert!(matches!(error, ExamineError::Failed(failure) if failure.kind == FailureKind::HostError));
}

#[tokio::test]
async fn compiled_code_is_kept_privately_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("code");
    let component = Guest::decent().component();
    runs(&host_with(cached(&folder, Compiler::InProcess)), &component).await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
    // The next start needs neither compiler nor WebAssembly.
    let host = host_with(cached(&folder, none()));
    let plugin = host.load(&digest_of(&component), async { panic!("nobody asks") }).await.unwrap();
    assert!(host.node(&plugin, &plain_caller(), &effect()).await.result.is_ok());
}

#[tokio::test]
async fn code_that_is_damaged_forged_or_anothers_is_never_run() {
    let folder = tempfile::tempdir().unwrap();
    let component = Guest::decent().component();
    let other = Guest { pages: 3, ..Guest::decent() }.component();
    for component in [&component, &other] {
        runs(&host_with(cached(folder.path(), Compiler::InProcess)), component).await.unwrap();
    }
    let file = |component: &[u8]| {
        let name = digest_of(component);
        let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&name)).unwrap()
    };
    let good = std::fs::read(file(&component)).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let forgeries = [
        flipped(0),
        flipped(40),
        flipped(good.len() - 1),
        good[..good.len() - 7].to_vec(),
        good[..10].to_vec(),
        Vec::new(),
        std::fs::read(file(&other)).unwrap(),
    ];
    for forged in forgeries {
        std::fs::write(file(&component), &forged).unwrap();
        let failure = runs(&host_with(cached(folder.path(), none())), &component).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::HostError, "it is compiled anew, and there is no compiler");
    }
    // Under another key nothing counts; with a compiler it is simply made again.
    std::fs::write(file(&component), &good).unwrap();
    let mut rekeyed = cached(folder.path(), none());
    rekeyed.cache.as_mut().unwrap().key = [8; 32];
    assert!(runs(&host_with(rekeyed), &component).await.is_err());
    std::fs::write(file(&component), flipped(40)).unwrap();
    runs(&host_with(cached(folder.path(), Compiler::InProcess)), &component).await.unwrap();
    runs(&host_with(cached(folder.path(), none())), &component).await.unwrap();
}

#[tokio::test]
async fn the_cache_keeps_to_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = cached(folder.path(), Compiler::InProcess);
    small.cache.as_mut().unwrap().bytes_max = 100_000;
    let host = host_with(small);
    for pages in 2..12 {
        runs(&host, &Guest { pages, ..Guest::decent() }.component()).await.unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        let sizes: Vec<_> = files.collect();
        assert!(sizes.len() == 1 || sizes.iter().sum::<u64>() <= 100_000, "{sizes:?}");
    }
}

#[tokio::test]
async fn who_comes_second_waits_instead_of_compiling_as_well() {
    let host = host_with(settings());
    let component = Guest::decent().component();
    let digest = digest_of(&component);
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let loads = (0..8).map(|_| {
        let (asked, component) = (asked.clone(), component.clone());
        host.load(&digest, async move {
            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(component)
        })
    });
    let loaded = futures_util::future::join_all(loads).await;
    assert!(loaded.iter().all(Result::is_ok));
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    // Wasm that is not what its digest says is not run.
    let wrong = host.load(&digest_of(b"other"), async { Ok(Guest::decent().component()) }).await;
    assert!(wrong.unwrap_err().message.contains("damaged"));
}

/// A hundred plugins, from the cache: what a start with many plugins takes. Asserted loosely, because the machine that
/// tests shares its processors; the benchmark measures.
#[tokio::test]
async fn a_hundred_cached_plugins_are_ready_without_a_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let components: Vec<_> = (0..100)
        .map(|i| Guest { items: format!("(func (result i32) (i32.const {i}))"), ..Guest::decent() }.component())
        .collect();
    let first = host_with(cached(folder.path(), Compiler::InProcess));
    for component in &components {
        runs(&first, component).await.unwrap();
    }
    let again = host_with(cached(folder.path(), none()));
    for component in &components {
        again.load(&digest_of(component), async { panic!("nobody asks") }).await.unwrap();
    }
}
