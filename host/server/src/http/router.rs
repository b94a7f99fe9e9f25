//! Every route on one page. A path is written here as the handler's description says it, which is how the API
//! documentation cannot miss one; a trailing slash is optional on all of them.

use std::sync::{Arc, LazyLock};

use axum::{
    Router, middleware,
    routing::{MethodFilter, any, get, on},
};
use domain::HostRole;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    auth, bots, boundary, contacts, docs, executions, flows, health, hooks, nodes, openapi, plugins, problem,
    slashes::Slashes, templates, triggers, whatsapp,
};
use crate::app::App;

/// Methods that addresses of triggers take for plugins, beside POST, which is described.
const NOT_DESCRIBED: MethodFilter =
    MethodFilter::GET.or(MethodFilter::PUT).or(MethodFilter::PATCH).or(MethodFilter::DELETE).or(MethodFilter::OPTIONS);

/// How the server is: what every host answers, whatever its role.
fn well_being() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(health::live::health))
        .routes(routes!(health::live::live))
        .routes(routes!(health::ready::ready))
        .routes(routes!(health::metrics::metrics))
}

/// All endpoints with their description. Whoever adds an endpoint adds it here.
fn endpoints() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(well_being())
        // Accounts
        .routes(routes!(auth::register::register))
        .routes(routes!(auth::token::token))
        .routes(routes!(auth::me::me))
        .routes(routes!(auth::users::users))
        .routes(routes!(auth::api_keys::create, auth::api_keys::list))
        .routes(routes!(auth::api_keys::delete))
        // Bots and what they run
        .routes(routes!(bots::create::create, bots::list::list))
        .routes(routes!(bots::get::get, bots::update::update, bots::delete::delete))
        .routes(routes!(flows::create::create, flows::list::list))
        .routes(routes!(flows::get::get, flows::update::update, flows::delete::delete))
        .routes(routes!(flows::validate::validate))
        .routes(routes!(flows::publish::publish))
        .routes(routes!(flows::versions::versions))
        .routes(routes!(nodes::create::create, nodes::list::list))
        .routes(routes!(nodes::types::types))
        .routes(routes!(nodes::get::get, nodes::update::update, nodes::delete::delete))
        .routes(routes!(templates::create::create, templates::list::list))
        .routes(routes!(templates::get::get, templates::delete::delete))
        .routes(routes!(templates::instantiate::instantiate))
        // Contacts
        .routes(routes!(contacts::create::create, contacts::list::list))
        .routes(routes!(contacts::tell::tell))
        .routes(routes!(contacts::get::get, contacts::update::update, contacts::delete::delete))
        .routes(routes!(contacts::consents::consents))
        // Triggers
        .routes(routes!(triggers::create::create, triggers::list::list))
        .routes(routes!(triggers::of_bot::of_bot))
        .routes(routes!(triggers::preview::preview))
        .routes(routes!(triggers::types::types))
        .routes(routes!(triggers::statistics::statistics))
        .routes(routes!(triggers::get::get, triggers::update::update, triggers::delete::delete))
        .routes(routes!(triggers::switch::activate))
        .routes(routes!(triggers::switch::deactivate))
        .routes(routes!(triggers::test::test))
        .routes(routes!(triggers::logs::logs))
        .routes(routes!(triggers::hook::rotate))
        .routes(routes!(hooks::handle))
        // Executions
        .routes(routes!(executions::execute::execute))
        .routes(routes!(executions::of_contact::of_contact))
        .routes(routes!(executions::get::get))
        .routes(routes!(executions::resume::resume))
        .routes(routes!(executions::cancel::cancel))
        .routes(routes!(executions::input::input))
        .routes(routes!(executions::logs::logs))
        .routes(routes!(executions::statistics::statistics))
        // Plugins
        .routes(routes!(plugins::upload::upload, plugins::list::list))
        .routes(routes!(plugins::compat::compat))
        .routes(routes!(plugins::get::get, plugins::delete::delete))
        .routes(routes!(plugins::limits::limit))
        .routes(routes!(plugins::share::share))
        .routes(routes!(plugins::share::unshare))
        .routes(routes!(plugins::logs::logs))
        .routes(routes!(plugins::metrics::metrics))
        .routes(routes!(plugins::get_version::get_version, plugins::delete_version::delete_version))
        .routes(routes!(plugins::switch::enable))
        .routes(routes!(plugins::switch::disable))
        .routes(routes!(plugins::trial::trial))
        .routes(routes!(plugins::grants::get::get, plugins::grants::put::put, plugins::grants::delete::delete))
        .routes(routes!(plugins::secrets::list::list, plugins::secrets::delete::all))
        .routes(routes!(plugins::secrets::put::put, plugins::secrets::delete::one))
        // WhatsApp
        .routes(routes!(whatsapp::verify::verify, whatsapp::receive::receive))
        .routes(routes!(whatsapp::messages::messages))
        .routes(routes!(whatsapp::templates::templates))
        .routes(routes!(whatsapp::media::upload::upload))
        .routes(routes!(whatsapp::media::get::get))
        .routes(routes!(whatsapp::account_events::account_events))
        .routes(routes!(whatsapp::send::text::text))
        .routes(routes!(whatsapp::send::template::template))
        .routes(routes!(whatsapp::send::media::media))
        .routes(routes!(whatsapp::send::interactive::interactive))
}

/// The endpoints and their complete description. Put together once a process, which may have many servers when it tests:
/// without the compiler's optimisation that takes longer than all the rest of a start.
static DESCRIBED: LazyLock<(Router<Arc<App>>, OpenApi)> = LazyLock::new(|| {
    let (endpoints, mut description) = endpoints().split_for_parts();
    openapi::complete(&mut description);
    (endpoints, description)
});

/// The description of the API, complete.
pub fn described() -> &'static OpenApi {
    &DESCRIBED.1
}

/// The whole service of a host that works and answers nothing else.
fn worker(app: &Arc<App>) -> Router {
    let (endpoints, _) = well_being().split_for_parts();
    endpoints
        .with_state(Arc::clone(app))
        .fallback(boundary::unknown_route)
        .method_not_allowed_fallback(boundary::unknown_method)
        .layer(middleware::from_fn(boundary::guard))
}

/// The whole service.
pub fn router(app: &Arc<App>) -> Router {
    if app.config.role == HostRole::Worker {
        return worker(app);
    }
    let (endpoints, description) = &*DESCRIBED;
    let slashes = Slashes::of(description);
    let routes = endpoints
        .clone()
        .with_state(Arc::clone(app))
        .route("/hooks/{token}", on(NOT_DESCRIBED, hooks::handle).with_state(Arc::clone(app)))
        .route("/hooks/{token}/{*rest}", any(hooks::handle).with_state(Arc::clone(app)))
        .route("/problems/{slug}", get(problem::page))
        .merge(docs::routes(description))
        .fallback(boundary::unknown_route)
        .method_not_allowed_fallback(boundary::unknown_method)
        .layer(middleware::from_fn(boundary::guard));
    // Paths are straightened before routes are looked up, so this stands around the router and not in it.
    Router::new().fallback_service(routes).layer(middleware::from_fn_with_state(slashes, super::slashes::straighten))
}
