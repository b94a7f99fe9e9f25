//! Calls of a component, made by a program that has the server's runtime.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{
    Engine,
    fake_http::Shared,
    protocol::{Call, Reply, Request, Returned},
};
use crate::Manifest;

/// A component in its program.
pub(crate) struct Component {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    manifest: Manifest,
}

impl Component {
    /// Starts `$CHATBOOST plugin harness` (or `chatboost plugin harness`) with a component.
    pub(crate) fn open(component: &Path) -> Self {
        let program = std::env::var("CHATBOOST").unwrap_or_else(|_| "chatboost".to_owned());
        let mut command = Command::new(&program);
        command.args(["plugin", "harness"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|fault| {
            panic!(
                "{program} plugin harness cannot be started ({fault}); the variable CHATBOOST says where the program is"
            )
        });
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for")
        };
        let mut opened = Self { child, input, output: BufReader::new(output), manifest: Manifest::default() };
        // The program may have another working folder.
        let component = component.canonicalize().unwrap_or_else(|fault| panic!("{}: {fault}", component.display()));
        opened.write(&Request::Open { component });
        match opened.read() {
            Reply::Opened { manifest } => opened.manifest = *manifest,
            Reply::Refused { reason } => panic!("the component was refused: {reason}"),
            other => panic!("{program} plugin harness answered `open` with {other:?}"),
        }
        opened
    }

    fn write(&mut self, request: &Request) {
        let line = serde_json::to_string(request).unwrap_or_else(|fault| panic!("{request:?} cannot be JSON: {fault}"));
        let written = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        written.unwrap_or_else(|fault| panic!("the program that runs the component does not listen: {fault}"));
    }

    fn read(&mut self) -> Reply {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => panic!("the program that runs the component ended: {:?}", self.child.wait()),
            Ok(_) => serde_json::from_str(&line).unwrap_or_else(|fault| panic!("it wrote {line}: {fault}")),
            Err(fault) => panic!("the program that runs the component cannot be read: {fault}"),
        }
    }
}

impl Engine for Component {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    fn call(&mut self, call: Call, http: &Shared) -> Returned {
        self.write(&Request::Call(Box::new(call)));
        loop {
            match self.read() {
                Reply::Http { request } => {
                    let result = http.borrow_mut().exchange(request);
                    self.write(&Request::HttpAnswer { result });
                }
                Reply::Returned(returned) => return *returned,
                Reply::Refused { reason } => panic!("the call was refused: {reason}"),
                other @ Reply::Opened { .. } => panic!("the program answered a call with {other:?}"),
            }
        }
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        // It ends by itself with its input; but a hanging one must not outlive the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
