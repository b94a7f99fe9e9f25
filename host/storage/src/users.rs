//! People who log in to build bots.

use domain::{Time, UserId};
use sqlx::FromRow;

use crate::{Error, Page, Result, Tx, db::on};

/// What a user may do beyond minding their own bots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May list all users.
    Admin,
    /// Nothing more.
    User,
}

impl Role {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

impl TryFrom<String> for Role {
    type Error = Error;

    fn try_from(word: String) -> Result<Self> {
        match word.as_str() {
            "admin" => Ok(Self::Admin),
            "user" => Ok(Self::User),
            _ => Err(Error::Corrupt(format!("unknown role {word}"))),
        }
    }
}

/// A user, without the password hash.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct User {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: UserId,
    /// Name to log in with, as typed at registration.
    pub username: String,
    /// E-mail address, as typed at registration.
    pub email: String,
    /// Name for people.
    pub full_name: Option<String>,
    /// What the user may do.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// Switched off users are refused everywhere.
    pub is_active: bool,
    /// When the user registered.
    pub created_at: Time,
}

/// What a registration brings.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// Name to log in with; unique without regard to case.
    pub username: &'a str,
    /// E-mail address; unique without regard to case.
    pub email: &'a str,
    /// Name for people.
    pub full_name: Option<&'a str>,
    /// PHC string; never a password.
    pub password_hash: &'a str,
}

/// What two spellings of one name or address have in common.
fn key(text: &str) -> String {
    text.trim().to_lowercase()
}

#[derive(FromRow)]
struct Credentials {
    #[sqlx(flatten)]
    user: User,
    password_hash: String,
}

impl Tx {
    /// Registers a user. The first one ever is the admin, also when several register at once.
    ///
    /// # Errors
    /// [`Error::Conflict`] naming `username_key` or `email_key` when either is taken.
    pub async fn create_user(&mut self, new: NewUser<'_>, now: Time) -> Result<User> {
        self.lock_users().await?;
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO users (username, username_key, email, email_key, full_name, password_hash, role, is_active, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN EXISTS (SELECT 1 FROM users) THEN 'user' ELSE 'admin' END, $7, $8)
             RETURNING id, username, email, full_name, role, is_active, created_at",
        )
        .bind(new.username)
        .bind(key(new.username))
        .bind(new.email)
        .bind(key(new.email))
        .bind(new.full_name)
        .bind(new.password_hash)
        .bind(true)
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// Whether the user name and the e-mail address are taken, in this order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_user_taken(&mut self, username: &str, email: &str) -> Result<(bool, bool)> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM users WHERE username_key = $1), EXISTS (SELECT 1 FROM users WHERE email_key = $2)",
        )
        .bind(key(username))
        .bind(key(email))
        .fetch_one(c)
        .await)?)
    }

    /// The user with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user(&mut self, id: UserId) -> Result<Option<User>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT id, username, email, full_name, role, is_active, created_at FROM users WHERE id = $1",
        )
        .bind(id.0)
        .fetch_optional(c)
        .await)?)
    }

    /// The user with this name or e-mail address, and the password's PHC string.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_credentials(&mut self, login: &str) -> Result<Option<(User, String)>> {
        let found: Option<Credentials> = on!(self, c => sqlx::query_as(
            "SELECT id, username, email, full_name, role, is_active, created_at, password_hash
             FROM users WHERE username_key = $1 OR email_key = $1",
        )
        .bind(key(login))
        .fetch_optional(c)
        .await)?;
        Ok(found.map(|found| (found.user, found.password_hash)))
    }

    /// All users by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn users(&mut self, limit: i64, skip: i64) -> Result<Page<User>> {
        let total = on!(self, c => sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(c).await)?;
        let items = on!(self, c => sqlx::query_as(
            "SELECT id, username, email, full_name, role, is_active, created_at FROM users ORDER BY id LIMIT $1 OFFSET $2",
        )
        .bind(limit)
        .bind(skip)
        .fetch_all(c)
        .await)?;
        Ok(Page { items, total })
    }

    /// Lets a user in or keeps them out; answers whether there is such a user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_user_active(&mut self, id: UserId, is_active: bool) -> Result<bool> {
        let done = on!(self, c => sqlx::query("UPDATE users SET is_active = $2 WHERE id = $1")
            .bind(id.0)
            .bind(is_active)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }
}
