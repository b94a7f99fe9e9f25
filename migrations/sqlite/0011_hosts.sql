-- What a host does: `all`, `api` (takes requests) or `worker` (runs contacts and sends).
ALTER TABLE hosts ADD COLUMN role TEXT NOT NULL DEFAULT 'all';

-- How far hosts that share a number's rate have given it away: microseconds since 1970, by the database's clock.
CREATE TABLE number_rates (
    phone_number_id TEXT NOT NULL PRIMARY KEY,
    due_us          INTEGER NOT NULL
) STRICT;
