//! Accounts, log-ins and API keys.

pub(super) mod api_keys;
mod current_user;
pub(super) mod me;
mod passwords;
pub(super) mod register;
pub(super) mod token;
mod tokens;
pub(super) mod users;

use chrono::{DateTime, Utc};
use domain::UserId;
use serde::Serialize;
use utoipa::ToSchema;

pub use current_user::CurrentUser;
pub use passwords::Passwords;

/// A user as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserView {
    #[schema(value_type = i64)]
    id: UserId,
    username: String,
    email: String,
    full_name: Option<String>,
    /// `admin` or `user`
    role: &'static str,
    is_active: bool,
    created_at: DateTime<Utc>,
}

impl From<storage::User> for UserView {
    fn from(user: storage::User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            full_name: user.full_name,
            role: user.role.as_str(),
            is_active: user.is_active,
            created_at: user.created_at,
        }
    }
}
