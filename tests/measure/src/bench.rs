//! Operations, and the words a benchmark program is called with.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use crate::{counts, numbers::Numbers, times};

/// Something to measure.
pub struct Operation {
    pub(crate) name: &'static str,
    prepare: Box<dyn Fn() -> Box<dyn FnMut()>>,
    pub(crate) ratio_max: Option<f64>,
    pub(crate) is_counted: bool,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Operation {
    /// An operation. `prepare` is run before it is measured and returns what is measured.
    pub fn new<R, F: FnMut() -> R + 'static>(name: &'static str, prepare: impl Fn() -> F + 'static) -> Self {
        let prepare = move || -> Box<dyn FnMut()> {
            let mut operation = prepare();
            Box::new(move || {
                black_box(operation());
            })
        };
        Self { name, prepare: Box::new(prepare), ratio_max: None, is_counted: true }
    }

    /// Takes times of it only: it works on several threads, or waits for a disk.
    #[must_use]
    pub fn timed_only(self) -> Self {
        Self { is_counted: false, ..self }
    }

    /// States a goal: so many times what the reference takes, at most.
    #[must_use]
    pub fn at_most(self, ratio: f64) -> Self {
        Self { ratio_max: Some(ratio), ..self }
    }

    /// What is measured, prepared.
    pub(crate) fn prepared(&self) -> Box<dyn FnMut()> {
        (self.prepare)()
    }
}

/// A benchmark program.
#[derive(Debug)]
pub struct Bench {
    pub(crate) name: &'static str,
    pub(crate) reference: Operation,
    pub(crate) operations: Vec<Operation>,
    file: PathBuf,
}

impl Bench {
    /// A benchmark of this name in the crate at `folder`, which is `env!("CARGO_MANIFEST_DIR")`. Its reference is to read
    /// and print a JSON document of about a kilobyte.
    pub fn new(folder: &str, name: &'static str) -> Self {
        let reference = Operation::new("reference", || {
            let text = document().to_string();
            move || serde_json::from_str::<Value>(&text).map(|value| value.to_string())
        });
        let file = Path::new(folder).join("benches").join(format!("{name}.json"));
        Self { name, reference, operations: Vec::new(), file }
    }

    /// Measures beside this instead.
    #[must_use]
    pub fn beside(mut self, reference: Operation) -> Self {
        self.reference = reference;
        self
    }

    /// Adds an operation.
    #[must_use]
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Does what the program was called for. Words that are none of ours are criterion's.
    pub fn main(self) -> ExitCode {
        let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let numbers = match Numbers::read(&self.file) {
            Ok(numbers) => numbers,
            Err(error) => return fail(&error.to_string()),
        };
        let done = match words[..] {
            ["run", name, times] => return self.run(name, times),
            ["counts"] => counts::check(&self, &numbers),
            ["counts", "accept"] => counts::accept(&self, numbers, &self.file),
            ["accept"] => times::accept(&self, numbers, &self.file),
            _ => times::check(&self, &numbers),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => fail(&fault),
        }
    }

    /// What valgrind looks at, or another profiler.
    fn run(&self, name: &str, times: &str) -> ExitCode {
        let operation = self.operations.iter().chain([&self.reference]).find(|operation| operation.name == name);
        let (Some(operation), Ok(times)) = (operation, times.parse()) else {
            return fail(&format!("there is no operation {name}, or {times} is no number"));
        };
        counts::run(&mut *operation.prepared(), times);
        ExitCode::SUCCESS
    }
}

fn fail(fault: &str) -> ExitCode {
    eprintln!("{fault}");
    ExitCode::FAILURE
}

/// Texts, numbers, lists and objects, as in what is sent to Meta and received from there.
fn document() -> Value {
    let item = |number: u32| {
        json!({
            "id": format!("wamid.{number:032}"), "timestamp": 1_760_000_000 + number, "type": "text", "billable": true,
            "text": {"body": "The quick brown fox jumps over the lazy dog — \"twice\"."},
        })
    };
    json!({ "object": "reference", "items": (0..6).map(item).collect::<Vec<_>>(), "share": 0.25, "next": null })
}
