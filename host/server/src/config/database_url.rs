//! The spellings of a database URL that people bring along.

use std::path::Path;

/// Brings a database URL to what `storage` takes: `sqlite:<path>` or `postgres://…`. Drivers named after a plus sign
/// (`sqlite+aiosqlite:///./x.db`, `postgresql+asyncpg://…`) are dropped.
pub(crate) fn normalise(url: &str) -> Result<String, String> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err("must begin with sqlite: or postgres://".into());
    };
    match scheme.split('+').next().unwrap_or_default() {
        "sqlite" => {
            // `sqlite:///x` is relative, `sqlite:////x` absolute; `sqlite:x` and `sqlite:/x` say it plainly.
            let path = rest.strip_prefix("///").or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
            let path = path.split('?').next().unwrap_or_default();
            match path {
                "" | ":memory:" => Err("must name a file: SQLite is shared between connections through it".into()),
                path => Ok(format!("sqlite:{path}")),
            }
        }
        "postgres" | "postgresql" if rest.starts_with("//") => Ok(format!("postgres:{rest}")),
        _ => Err("must begin with sqlite: or postgres://".into()),
    }
}

/// The database of those who name none.
pub(super) fn default_in(data_dir: &Path) -> String {
    format!("sqlite:{}", data_dir.join("chatboost.db").display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_understood() {
        for (given, taken) in [
            ("sqlite+aiosqlite:///./chatboost.db", "sqlite:./chatboost.db"),
            ("sqlite:///./x.db", "sqlite:./x.db"),
            ("sqlite:////var/lib/x.db", "sqlite:/var/lib/x.db"),
            ("sqlite:x.db", "sqlite:x.db"),
            ("sqlite:/tmp/x.db", "sqlite:/tmp/x.db"),
            ("sqlite://x.db", "sqlite:x.db"),
            ("postgres://u:p@h/d", "postgres://u:p@h/d"),
            ("postgresql+asyncpg://u@h:1/d?sslmode=require", "postgres://u@h:1/d?sslmode=require"),
        ] {
            assert_eq!(normalise(given).as_deref(), Ok(taken), "{given}");
        }
        for given in ["", "x.db", "mysql://h/d", "sqlite:", "sqlite::memory:", "postgres:h"] {
            assert!(normalise(given).is_err(), "{given}");
        }
    }
}
