-- A bot's health. `health_stops`: what is not even tried meanwhile: `all`, `templates` or `nothing`.
-- `health_checked_at`: when Meta last said so.
ALTER TABLE bots ADD COLUMN health            TEXT NOT NULL DEFAULT 'ok';
ALTER TABLE bots ADD COLUMN health_stops      TEXT NOT NULL DEFAULT 'nothing';
ALTER TABLE bots ADD COLUMN health_code       INTEGER;
ALTER TABLE bots ADD COLUMN health_detail     TEXT;
ALTER TABLE bots ADD COLUMN health_since      TEXT;
ALTER TABLE bots ADD COLUMN health_checked_at TEXT;

-- How often something from outside has moved an execution on; a message belongs to the turn in which it was said.
ALTER TABLE executions ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;

-- `node`: the position of the node that said it. `attempted_at`: when it was last handed to HTTP.
-- `held_code`: Meta's code of what it waits for before it is tried again.
ALTER TABLE messages ADD COLUMN node         INTEGER;
ALTER TABLE messages ADD COLUMN turn         INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN attempted_at TEXT;
ALTER TABLE messages ADD COLUMN held_code    INTEGER;
CREATE INDEX messages_attempted ON messages (contact_id, attempted_at) WHERE attempted_at IS NOT NULL;

-- Until when the first unsettled message waits. A mailbox that has nothing else to do has no owner meanwhile.
ALTER TABLE mailboxes ADD COLUMN held_until TEXT;
CREATE INDEX mailboxes_held ON mailboxes (bot_id) WHERE held_until IS NOT NULL;

-- What Meta lets a phone number send; `throughput` is Meta's word.
CREATE TABLE numbers (
    phone_number_id TEXT NOT NULL PRIMARY KEY,
    throughput      TEXT NOT NULL,
    checked_at      TEXT NOT NULL
) STRICT;
