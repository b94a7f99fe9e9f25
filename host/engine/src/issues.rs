//! Collects what is wrong with a flow, all of it.

use domain::{Issue, Severity};

/// The issues found so far.
#[derive(Debug, Default)]
pub(crate) struct Issues {
    list: Vec<Issue>,
    node: Option<i64>,
}

impl Issues {
    /// What follows is about the node at this position, or about the flow.
    pub(crate) fn about(&mut self, node: Option<i64>) {
        self.node = node;
    }

    /// Blocks publishing.
    pub(crate) fn error(&mut self, code: &str, pointer: impl Into<String>, detail: impl Into<String>) {
        self.push(Severity::Error, code, pointer.into(), detail.into());
    }

    /// Probably not meant so.
    pub(crate) fn warning(&mut self, code: &str, pointer: impl Into<String>, detail: impl Into<String>) {
        self.push(Severity::Warning, code, pointer.into(), detail.into());
    }

    /// Whether any of them blocks publishing.
    pub(crate) fn block(&self) -> bool {
        self.list.iter().any(|issue| issue.severity == Severity::Error)
    }

    /// All of them, in the order they were found.
    pub(crate) fn into_list(self) -> Vec<Issue> {
        self.list
    }

    fn push(&mut self, severity: Severity, code: &str, pointer: String, detail: String) {
        self.list.push(Issue { severity, code: code.to_owned(), pointer, node: self.node, detail });
    }
}

/// Appends one member name to a JSON pointer.
pub(crate) fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
