-- Numbers kept up to date with what they count, in the same commit, so that reading them never looks at the history.
-- `day` counts days since 1970-01-01 UTC. `shard` keeps workers from waiting for each other's rows; readers add up.

CREATE TABLE flow_stats (
    flow_id     INTEGER NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    day         INTEGER NOT NULL,
    shard       INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    completed   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    cancelled   INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    PRIMARY KEY (flow_id, day, shard)
) STRICT, WITHOUT ROWID;

-- How long completed executions took: how many in each bucket of storage/src/histogram.rs.
CREATE TABLE flow_durations (
    flow_id INTEGER NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    bucket  INTEGER NOT NULL,
    shard   INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (flow_id, bucket, shard)
) STRICT, WITHOUT ROWID;

-- `event` is `entered`, `failed` or `left`; `exit` is the way it was left by, else empty.
CREATE TABLE node_stats (
    flow_id INTEGER NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    node    INTEGER NOT NULL,
    event   TEXT NOT NULL,
    exit    TEXT NOT NULL,
    shard   INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (flow_id, node, event, exit, shard)
) STRICT, WITHOUT ROWID;

CREATE TABLE trigger_stats (
    trigger_id    INTEGER NOT NULL REFERENCES triggers (id) ON DELETE CASCADE,
    day           INTEGER NOT NULL,
    shard         INTEGER NOT NULL,
    fires         INTEGER NOT NULL,
    starts        INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    last_fired_at TEXT,
    PRIMARY KEY (trigger_id, day, shard)
) STRICT, WITHOUT ROWID;

-- One row for every time a trigger started a flow or was refused it. No foreign key to the trigger, which all its rows
-- share: who deletes a trigger deletes its log.
CREATE TABLE trigger_logs (
    id           INTEGER PRIMARY KEY,
    bot_id       INTEGER NOT NULL,
    trigger_id   INTEGER NOT NULL,
    flow_id      INTEGER NOT NULL,
    contact_id   INTEGER REFERENCES contacts (id) ON DELETE CASCADE,
    execution_id INTEGER,
    message_id   INTEGER,
    decision     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    at           TEXT NOT NULL
) STRICT;
CREATE INDEX trigger_logs_trigger ON trigger_logs (trigger_id, id);
CREATE INDEX trigger_logs_contact ON trigger_logs (contact_id);

-- Counting what runs and waits now, by flow and node, without touching the table: for which SQLite wants the column of
-- the condition in the index, too.
CREATE INDEX executions_live_flow ON executions (flow_id, status, current_node, completed_at)
    WHERE completed_at IS NULL;
