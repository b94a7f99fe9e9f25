//! Migrations that hosts of the version before can live with: they run on while a new one applies them.

use std::{collections::BTreeSet, path::Path};

/// Files up to here were written before there was more than one version.
const LAST_FREE: u32 = 9;

/// A file's statements in one form: upper case, single spaces, without comments.
fn statements(sql: &str) -> Vec<String> {
    let code: String =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    code.split(';')
        .map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// What of a file a program that does not know it could stumble over.
fn breaks(sql: &str) -> Vec<String> {
    let statements = statements(sql);
    let word = |statement: &str, nth: usize| statement.split([' ', '(']).nth(nth).unwrap_or_default().to_owned();
    let new: BTreeSet<String> =
        statements.iter().filter(|s| s.starts_with("CREATE TABLE ")).map(|s| word(s, 2)).collect();
    let added: BTreeSet<String> = statements
        .iter()
        .filter(|s| s.starts_with("ALTER TABLE ") && s.contains(" ADD COLUMN "))
        .filter_map(|s| s.split(" ADD COLUMN ").nth(1).map(|rest| word(rest, 0)))
        .collect();
    let makes_index = statements.iter().any(|s| s.starts_with("CREATE INDEX "));
    let breaking = |s: &String| {
        if let Some(rest) = s.strip_prefix("ALTER TABLE ") {
            let (table, change) = rest.split_once(' ').unwrap_or((rest, ""));
            let adds = change.starts_with("ADD COLUMN ");
            return !new.contains(table)
                && !(change.starts_with("SET (")
                    || adds && (!change.contains(" NOT NULL") || change.contains(" DEFAULT ")));
        }
        if s.starts_with("CREATE UNIQUE INDEX ") {
            // Older programs leave new columns empty, and that is never twice the same.
            let on = s.split(" ON ").nth(1).unwrap_or_default();
            let columns = on.split(['(', ')']).nth(1).unwrap_or_default();
            return !new.contains(&word(on, 0)) && !columns.split(',').any(|column| added.contains(column.trim()));
        }
        if s.starts_with("DELETE ") || s.starts_with("TRUNCATE ") {
            return !new.iter().any(|table| s.split([' ', ',']).any(|word| word == table));
        }
        if s.starts_with("DROP INDEX ") {
            return !makes_index;
        }
        s.starts_with("DROP ") || s.starts_with("CREATE TRIGGER ") || s.starts_with("CREATE OR REPLACE ")
    };
    statements.into_iter().filter(breaking).collect()
}

/// Whether a file says that older programs must not work on the database any more.
fn says_so(sql: &str, number: u32) -> bool {
    statements(sql).contains(&format!("UPDATE INSTALLATION SET OLDEST_SCHEMA = {number}"))
}

#[test]
fn a_migration_breaks_no_older_host_or_says_so() {
    let mut seen = 0;
    for kind in ["sqlite", "postgres"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(kind);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let number: u32 = path.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
            if number <= LAST_FREE {
                continue;
            }
            let sql = std::fs::read_to_string(&path).unwrap();
            let broken = breaks(&sql);
            assert!(broken.is_empty() || says_so(&sql, number), "{}: {broken:#?}\nsee CONTRIBUTING.md", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn the_rules_know_what_breaks() {
    for sql in [
        "DROP TABLE bots;",
        "alter table bots drop column name",
        "ALTER TABLE bots RENAME TO robots",
        "ALTER TABLE bots RENAME COLUMN a TO b",
        "ALTER TABLE bots ADD COLUMN size BIGINT NOT NULL",
        "ALTER TABLE bots ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE bots ADD CONSTRAINT c CHECK (x > 0)",
        "CREATE UNIQUE INDEX u ON bots (name)",
        "DELETE FROM messages WHERE id < 5",
        "DROP INDEX messages_bot",
    ] {
        assert_eq!(breaks(sql).len(), 1, "{sql}");
    }
    for sql in [
        "CREATE TABLE t (id BIGINT NOT NULL); ALTER TABLE t RENAME COLUMN id TO key; CREATE UNIQUE INDEX u ON t (key);",
        "ALTER TABLE bots ADD COLUMN size BIGINT NOT NULL DEFAULT 0; -- DROP TABLE bots;",
        "ALTER TABLE bots ADD COLUMN token TEXT; CREATE UNIQUE INDEX u ON bots (token) WHERE token IS NOT NULL",
        "CREATE INDEX i ON messages (bot_id, id, status); DROP INDEX messages_bot",
        "CREATE INDEX i ON bots (name); UPDATE bots SET size = 1; ALTER TABLE bots SET (fillfactor = 50)",
    ] {
        assert_eq!(breaks(sql), Vec::<String>::new());
    }
    assert!(says_so("DROP TABLE x;\nUPDATE installation SET oldest_schema = 14; -- it is", 14));
    assert!(!says_so("UPDATE installation SET oldest_schema = 13", 14));
}
