//! The API documentation, served from the program itself: it works without the internet.

use axum::{
    Json, Router,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Where the description is.
const DESCRIPTION: &str = "/openapi.json";
/// Keeps the pages from loading anything from elsewhere. Both viewers write styles into the page.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'";

/// `/openapi.json`, `/docs` (Swagger UI) and `/redoc` (ReDoc).
pub(super) fn routes(description: &'static OpenApi) -> Router {
    let redoc: bytes::Bytes = aide::redoc::Redoc::new(DESCRIPTION).with_title("ChatBoost").html().into();
    let pages = Router::from(SwaggerUi::new("/docs").config(Config::from(DESCRIPTION)))
        .route("/redoc", get(move || async move { page(redoc) }))
        .layer(axum::middleware::map_response(with_policy));
    Router::new().route(DESCRIPTION, get(move || async move { Json(description) })).merge(pages)
}

fn page(html: bytes::Bytes) -> Response {
    let kind: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (kind, html).into_response()
}

async fn with_policy(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}
