//! Databases for tests: made on a PostgreSQL server for one test, and dropped after it.

pub mod audit;
mod crowd;
pub mod gates;
mod held;
mod history;
mod plans;
mod power;
mod remains;

use std::str::FromStr;

use sqlx::{
    ConnectOptions, Connection, Postgres, QueryBuilder, postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

use crate::{Error, Result};

pub use crowd::{Crowd, crowd};
pub use held::{HeldMigrations, hold_migrations};
pub use history::{History, fill};
pub use plans::{explain_sqlite, partial_indexes};
pub use power::OnDisk;
pub use remains::{Unfinished, check_sqlite, cut_connections, executions_of_contacts, unfinished};

/// Makes an empty database of this name on the server that the URL names, and answers its URL.
///
/// # Errors
/// When the server cannot be reached, or the name is no word of lower-case letters, digits and underscores.
pub async fn create_database(server_url: &str, name: &str) -> Result<String> {
    run(server_url, "CREATE DATABASE ", name, "").await?;
    address(server_url, name)
}

/// Makes a copy of a database that nobody is connected to, and answers its URL.
///
/// # Errors
/// As [`create_database`].
pub async fn copy_database(server_url: &str, of: &str, name: &str) -> Result<String> {
    check(of)?;
    run(server_url, "CREATE DATABASE ", name, &format!(" TEMPLATE {of}")).await?;
    address(server_url, name)
}

/// The URL of a database on a server.
fn address(server_url: &str, name: &str) -> Result<String> {
    let (address, query) = match server_url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (server_url, String::new()),
    };
    let server = match address.splitn(4, '/').collect::<Vec<_>>().as_slice() {
        [scheme, empty, host, ..] => [*scheme, *empty, *host].join("/"),
        _ => return Err(Error::Url("names no server".into())),
    };
    Ok(format!("{server}/{name}{query}"))
}

/// Drops a database, and whoever is connected to it.
///
/// # Errors
/// When the server cannot be reached.
pub async fn drop_database(server_url: &str, name: &str) -> Result<()> {
    run(server_url, "DROP DATABASE IF EXISTS ", name, " WITH (FORCE)").await
}

/// Runs statements on a database, to bring about what the program itself never would.
///
/// # Errors
/// When the database refuses.
pub async fn run_sql(url: &str, sql: &'static str) -> Result<()> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        connection.close().await?;
    } else {
        let options = PgConnectOptions::from_str(url).map_err(|error| Error::Url(error.to_string()))?;
        let mut connection = options.connect().await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        connection.close().await?;
    }
    Ok(())
}

async fn run(server_url: &str, before: &str, name: &str, after: &str) -> Result<()> {
    check(name)?;
    let options = PgConnectOptions::from_str(server_url).map_err(|error| Error::Url(error.to_string()))?;
    let mut connection = options.connect().await?;
    let mut query = QueryBuilder::<Postgres>::new(before);
    query.push(name).push(after).build().persistent(false).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Names cannot be bound, so nothing but a word gets in.
fn check(name: &str) -> Result<()> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_word) {
        return Err(Error::Url(format!("{name:?} is no database name")));
    }
    Ok(())
}
