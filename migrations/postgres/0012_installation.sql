-- What holds for this database as a whole; one row.
-- `oldest_schema`: the newest migration that a program has to know to work on this database. A migration that an older
-- program cannot live with sets it to its own number; CONTRIBUTING.md has the rules.
-- `moving_from`: not NULL while `migrate-data` fills this database; no server starts on it meanwhile.
CREATE TABLE installation (
    oldest_schema BIGINT NOT NULL,
    moving_from   TEXT
);
INSERT INTO installation (oldest_schema) VALUES (12);
