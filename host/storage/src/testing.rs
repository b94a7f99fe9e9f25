//! Databases for tests: made on a PostgreSQL server for one test, and dropped after it.

use std::str::FromStr;

use sqlx::{ConnectOptions, Connection, Postgres, QueryBuilder, postgres::PgConnectOptions};

use crate::{Error, Result};

/// Makes an empty database of this name on the server that the URL names, and answers its URL.
///
/// # Errors
/// When the server cannot be reached, or the name is no word of lower-case letters, digits and underscores.
pub async fn create_database(server_url: &str, name: &str) -> Result<String> {
    run(server_url, "CREATE DATABASE ", name, "").await?;
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

async fn run(server_url: &str, before: &str, name: &str, after: &str) -> Result<()> {
    // Names cannot be bound, so nothing but a word gets in.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(Error::Url(format!("{name:?} is no database name")));
    }
    let options = PgConnectOptions::from_str(server_url).map_err(|error| Error::Url(error.to_string()))?;
    let mut connection = options.connect().await?;
    let mut query = QueryBuilder::<Postgres>::new(before);
    query.push(name).push(after).build().persistent(false).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
