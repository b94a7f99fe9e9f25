//! The templates of a business account.

use reqwest::Url;
use serde_json::Value;

use super::{Client, SendError};
use crate::templates::Definition;

/// Templates in one answer. A template with ten buttons and a carousel has some 20 kB.
const PAGE: &str = "50";
/// Most bytes of one answer.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What is asked of each.
const FIELDS: &str = "id,name,language,category,status,rejected_reason,quality_score,parameter_format,components";

/// One page of templates.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplatePage {
    /// Those that could be read.
    pub templates: Vec<Definition>,
    /// How many could not.
    pub odd: usize,
    /// What to ask for the next page with; none on the last one.
    pub after: Option<String>,
}

impl Client {
    /// A page of the account's templates, the first one or the one after a cursor.
    ///
    /// # Errors
    /// As [`Self::send`]. Asking twice does no harm.
    pub async fn templates(&self, waba_id: &str, token: &str, after: Option<&str>) -> Result<TemplatePage, SendError> {
        let mut query = Url::parse("http://query/").map_err(|error| SendError::Invalid(error.to_string()))?;
        query.query_pairs_mut().extend_pairs([("fields", FIELDS), ("limit", PAGE)]);
        if let Some(after) = after {
            query.query_pairs_mut().append_pair("after", after);
        }
        let rest = format!("/message_templates?{}", query.query().unwrap_or_default());
        let request = self.question(waba_id, &rest, token)?;
        let (http_status, bytes) = self.perform(request, ANSWER_BYTES_MAX).await?;
        TemplatePage::parse(&bytes)
            .ok_or_else(|| SendError::Malformed { http_status, reason: "the answer holds no templates".into() })
    }
}

impl TemplatePage {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(bytes).ok()?;
        let listed = body.get("data")?.as_array()?;
        let templates: Vec<Definition> = listed.iter().filter_map(Definition::parse).collect();
        // The last page has cursors as well, but no `next`.
        let after = body.pointer("/paging/next").and_then(|_| body.pointer("/paging/cursors/after"));
        let after = after.and_then(Value::as_str).filter(|cursor| !cursor.is_empty()).map(str::to_owned);
        Some(Self { odd: listed.len() - templates.len(), templates, after })
    }
}
