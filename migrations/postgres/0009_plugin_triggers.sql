-- What an execution remembers while it is at a node of a plugin: its state, and what it waits for.
ALTER TABLE executions ADD COLUMN visit JSONB;

-- Of a trigger that is fired by requests: the unguessable part of its address, and the sealed secret that requests are
-- signed with.
ALTER TABLE triggers ADD COLUMN hook_token TEXT;
ALTER TABLE triggers ADD COLUMN hook_secret TEXT;
CREATE UNIQUE INDEX triggers_hook ON triggers (hook_token) WHERE hook_token IS NOT NULL;

-- Events that a trigger has seen, by the ids that their senders gave them.
CREATE TABLE trigger_events (
    trigger_id BIGINT NOT NULL REFERENCES triggers (id) ON DELETE CASCADE,
    event_id   TEXT NOT NULL,
    at         TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (trigger_id, event_id)
);
CREATE INDEX trigger_events_at ON trigger_events (trigger_id, at);

-- One row per poller trigger that looks again. `claim` is whoever looks now, until `claimed_until` at the latest;
-- `failures` counts those in a row.
CREATE TABLE pollers (
    trigger_id    BIGINT PRIMARY KEY REFERENCES triggers (id) ON DELETE CASCADE,
    next_at       TIMESTAMPTZ NOT NULL,
    cursor        JSONB,
    failures      BIGINT NOT NULL,
    claim         TEXT,
    claimed_until TIMESTAMPTZ
);
CREATE INDEX pollers_next ON pollers (next_at);
