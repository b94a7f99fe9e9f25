//! What the tests share: databases of their own, a server in the process, and a client that speaks to it.
//!
//! A test that needs a database is written once and runs on both:
//!
//! ```text
//! each_database! {
//!     /// What must hold.
//!     async fn a_user_sees_only_their_own_bots(app: TestApp) {
//!         let ada = app.api().registered("ada").await;
//!         …
//!     }
//! }
//! ```
//!
//! The parameter's type says how much is started: [`TestDatabase`] (an empty database), [`storage::Db`] inside a
//! [`Migrated`] one, or a whole [`TestApp`].

mod api;
mod app;
mod bucket;
mod database;
mod guests;
pub mod plans;
pub mod simulation;

pub use api::{Answer, Api};
pub use app::TestApp;
pub use bucket::Bucket;
pub use database::{Migrated, OnDatabase, TestDatabase, database_urls};
pub use guests::{guest, guest_version};
pub use reqwest::Method;

/// Writes a test once and runs it on SQLite and on PostgreSQL, as the tests `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! each_database {
    ($($(#[$meta:meta])* async fn $name:ident($($param:ident)+: $type:ty) $body:block)*) => {$(
        $(#[$meta])*
        async fn $name($($param)+: $type) $body

        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(<$type as $crate::OnDatabase>::on($crate::TestDatabase::sqlite()).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$name(<$type as $crate::OnDatabase>::on($crate::TestDatabase::postgres().await).await).await;
            }
        }
    )*};
}
