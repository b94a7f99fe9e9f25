//! The service that has the model.

use chatboost_sdk::prelude::*;

use crate::{
    Reply,
    memory::{Memory, Role},
};

/// An answer.
pub(crate) struct Completion {
    pub(crate) text: String,
    /// What the service counted for question and answer together.
    pub(crate) tokens: u64,
}

#[data]
struct Answer {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[data]
struct Choice {
    message: Said,
}

#[data]
struct Said {
    #[serde(default)]
    content: Option<String>,
}

#[data]
struct Usage {
    #[serde(default)]
    total_tokens: u64,
}

/// Asks the model to go on.
pub(crate) fn complete(reply: &Reply, memory: &Memory) -> Result<Completion> {
    let mut messages = vec![];
    if !reply.instructions.trim().is_empty() {
        messages.push(json!({ "role": "system", "content": reply.instructions }));
    }
    messages.extend(memory.messages.iter().map(|said| {
        let role = match said.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": said.content })
    }));
    let mut body = json!({ "model": reply.model, "messages": messages, "max_tokens": reply.answer_tokens });
    if let Some(temperature) = reply.temperature {
        body["temperature"] = json!(temperature);
    }
    let url = format!("{}/chat/completions", reply.base_url.trim_end_matches('/'));
    let key = secrets::placeholder("LLM_API_KEY")?;
    let answer: Answer = http::post(url).bearer(key).json(&body)?.send()?.success()?.json()?;
    let text = answer.choices.into_iter().next().and_then(|choice| choice.message.content).unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Fault::retryable("the model gave an empty answer"));
    }
    let tokens = answer.usage.map_or(0, |usage| usage.total_tokens);
    log::info!("the model answered"; "tokens" = tokens, "messages" = memory.messages.len());
    Ok(Completion { text, tokens })
}
