//! The error object in an answer of the Graph API.

use serde_json::Value;

use super::{FEW, Retry, Verdict, classify};

/// Why Meta refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    /// What to decide on; see [`classify`].
    pub code: i64,
    /// Deprecated for messaging, still sent for token errors.
    pub subcode: Option<i64>,
    /// Meta's sentence. Changes without notice: for people only.
    pub message: String,
    /// `error_data.details`: which field, what value. The most useful part for people.
    pub details: Option<String>,
    /// What Meta's support asks for.
    pub fbtrace_id: Option<String>,
    /// The answer's HTTP status.
    pub http_status: u16,
    /// Meta says that a retry may help.
    pub transient: bool,
}

impl GraphError {
    /// Reads the body of an answer. `None` when it holds no error object with a code, as with the HTML of a broken
    /// gateway. `error_data` may be missing, an object or a text.
    pub fn parse(body: &[u8], http_status: u16) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error")?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        let data = error.get("error_data");
        Some(Self {
            code: integer(error.get("code"))?,
            subcode: integer(error.get("error_subcode")),
            message: text(error.get("message")).unwrap_or_default(),
            details: text(data.and_then(|d| d.get("details"))).or_else(|| text(data)),
            fbtrace_id: text(error.get("fbtrace_id")),
            http_status,
            transient: error.get("is_transient").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// What to do about it. Meta's word that it is transient earns a few retries for what would get none.
    pub fn verdict(&self) -> Verdict {
        let verdict = classify(self.code, self.subcode, self.http_status);
        match verdict.retry {
            Retry::Never if self.transient => Verdict { retry: FEW, ..verdict },
            _ => verdict,
        }
    }
}

impl std::fmt::Display for GraphError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Meta refused with code {}: {}", self.code, self.details.as_ref().unwrap_or(&self.message))
    }
}

/// An integer, also when it is written as a text.
fn integer(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there() {
        let body = br#"{"error":{"message":"(#131009) x","code":131009,"error_subcode":7,"is_transient":true,
            "error_data":{"details":"title too long"},"fbtrace_id":"A1"}}"#;
        let error = GraphError::parse(body, 400).unwrap();
        assert_eq!((error.code, error.subcode, error.http_status), (131_009, Some(7), 400));
        assert_eq!(error.details.as_deref(), Some("title too long"));
        assert_eq!(error.fbtrace_id.as_deref(), Some("A1"));
        assert_eq!(error.verdict().retry, FEW);
        assert_eq!(error.to_string(), "Meta refused with code 131009: title too long");
    }

    #[test]
    fn error_data_may_be_a_text_or_missing() {
        let error = GraphError::parse(br#"{"error":{"code":"100","error_data":"no such thing"}}"#, 400).unwrap();
        assert_eq!(error.details.as_deref(), Some("no such thing"));
        let error = GraphError::parse(br#"{"error":{"code":2,"message":"down"}}"#, 500).unwrap();
        assert_eq!(error.to_string(), "Meta refused with code 2: down");
    }

    #[test]
    fn other_bodies_are_no_graph_error() {
        for body in ["", "<html>", "{}", r#"{"error":"no"}"#, r#"{"error":{}}"#, "[]"] {
            assert!(GraphError::parse(body.as_bytes(), 502).is_none(), "{body}");
        }
    }
}
