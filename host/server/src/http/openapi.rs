//! The description of the API (OpenAPI 3.1): its frame, and what all operations have in common.

use axum::http::StatusCode;
use utoipa::{
    OpenApi as _, ToSchema,
    openapi::{
        Components, Content, HttpMethod, OpenApi, Ref, RefOr, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::problem::{FaultDocument, Kind, ProblemDocument};

/// Name of the only security scheme.
const SCHEME: &str = "bearer";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "ChatBoost", description = "Self-hosted WhatsApp bots: flows, triggers, contacts and messages."),
    tags(
        (name = "auth", description = "Accounts, log-ins and API keys"),
        (name = "bots", description = "Bots and their WhatsApp settings"),
        (name = "flows", description = "Flows, their nodes and versions"),
        (name = "templates", description = "Flow templates"),
        (name = "contacts", description = "The people who write to bots"),
        (name = "executions", description = "Flows at work"),
        (name = "triggers", description = "What starts flows"),
        (name = "plugins", description = "What users upload: node and trigger types of their own"),
        (name = "whatsapp", description = "Sending, receiving and the message history"),
        (name = "health", description = "Whether the server is well"),
    )
)]
struct Frame;

/// The description without operations.
pub(super) fn frame() -> OpenApi {
    let mut frame = Frame::openapi();
    let components = frame.components.get_or_insert_with(Components::new);
    components.add_security_scheme(
        SCHEME,
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("An access token of /auth/token, or an API key (`cb_…`)"))
                .build(),
        ),
    );
    components.schemas.insert(ProblemDocument::name().into(), <ProblemDocument as utoipa::PartialSchema>::schema());
    components.schemas.insert(FaultDocument::name().into(), <FaultDocument as utoipa::PartialSchema>::schema());
    frame.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    frame
}

/// Adds to every operation the answers that any of its kind may give. What only one gives is said at its handler.
pub(super) fn complete(description: &mut OpenApi) {
    for (path, item) in &mut description.paths.paths {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (_, operation) in operations {
            if let Some(operation) = operation {
                complete_operation(path, operation);
            }
        }
    }
}

fn complete_operation(path: &str, operation: &mut Operation) {
    let mut kinds = vec![Kind::INTERNAL, Kind::UNAVAILABLE];
    if operation.security.is_none() {
        kinds.push(Kind::UNAUTHENTICATED);
    }
    if path.contains('{') {
        kinds.push(Kind::NOT_FOUND);
    }
    if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        kinds.push(Kind::INVALID);
    }
    if operation.request_body.is_some() {
        kinds.extend([Kind::MALFORMED, Kind::TOO_LARGE, Kind::UNSUPPORTED_MEDIA_TYPE, Kind::INVALID]);
    }
    for kind in kinds {
        let status = kind.status.as_str().to_owned();
        operation
            .responses
            .responses
            .entry(status)
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(kind.title).build()));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        // The standard wants a description, also where the status says it all.
        if response.description.is_empty() {
            let status = status.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
            response.description = status.and_then(|status| status.canonical_reason()).unwrap_or("Answer").into();
        }
        // Every error is a problem document, those that the handler described too.
        if status.starts_with(['4', '5']) {
            let content = Content::new(Some(Ref::from_schema_name(ProblemDocument::name())));
            response.content.entry("application/problem+json".into()).or_insert(content.into());
        }
    }
}
