-- Times are RFC 3339 texts in UTC, booleans 0/1, JSON is text. AUTOINCREMENT: an id
-- is never used again, because delivery reports and caches may still speak of a row that is gone. The PostgreSQL twin has the same tables and columns.

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT NOT NULL,
    username_key  TEXT NOT NULL UNIQUE,
    email         TEXT NOT NULL,
    email_key     TEXT NOT NULL UNIQUE,
    full_name     TEXT,
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL,
    is_active     INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at    TEXT NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    prefix     TEXT NOT NULL,
    key_hash   TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    expires_at TEXT
) STRICT;
CREATE INDEX api_keys_user ON api_keys (user_id, id);

-- A bot without owner is deleted: nobody sees it, and what hangs on it is removed bit by bit.
-- `revision` grows with every change of the bot, its triggers or what its flows run; caches compare it.
CREATE TABLE bots (
    id                           INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id                     INTEGER REFERENCES users (id) ON DELETE CASCADE,
    name                         TEXT NOT NULL,
    description                  TEXT,
    timezone                     TEXT NOT NULL,
    is_active                    INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    is_whatsapp_enabled          INTEGER NOT NULL CHECK (is_whatsapp_enabled IN (0, 1)),
    whatsapp_phone_number_id     TEXT UNIQUE,
    whatsapp_business_account_id TEXT,
    whatsapp_access_token        TEXT,
    whatsapp_app_secret          TEXT,
    whatsapp_verify_token        TEXT,
    revision                     INTEGER NOT NULL,
    created_at                   TEXT NOT NULL,
    updated_at                   TEXT NOT NULL
) STRICT;
CREATE INDEX bots_owner ON bots (owner_id, id);

-- `published_version` is what new executions run; NULL until something valid was published.
CREATE TABLE flows (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    bot_id            INTEGER NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    name              TEXT NOT NULL,
    description       TEXT,
    auto_publish      INTEGER NOT NULL CHECK (auto_publish IN (0, 1)),
    is_archived       INTEGER NOT NULL CHECK (is_archived IN (0, 1)),
    published_version INTEGER,
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL
) STRICT;
CREATE INDEX flows_bot ON flows (bot_id, id);

CREATE TABLE nodes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    flow_id    INTEGER NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    key        TEXT,
    type       TEXT NOT NULL,
    name       TEXT,
    config     TEXT NOT NULL,
    ui         TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (flow_id, position),
    UNIQUE (flow_id, key)
) STRICT;

CREATE TABLE flow_versions (
    flow_id    INTEGER NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    definition TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (flow_id, version)
) STRICT;

CREATE TABLE flow_templates (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    description TEXT,
    category    TEXT,
    definition  TEXT NOT NULL,
    created_at  TEXT NOT NULL
) STRICT;
CREATE INDEX flow_templates_owner ON flow_templates (owner_id, id);

-- `rule` holds what is particular to the trigger type.
CREATE TABLE triggers (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    bot_id       INTEGER NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    flow_id      INTEGER NOT NULL REFERENCES flows (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    trigger_type TEXT NOT NULL,
    priority     INTEGER NOT NULL,
    is_active    INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    interrupt    INTEGER NOT NULL CHECK (interrupt IN (0, 1)),
    rule         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
) STRICT;
CREATE INDEX triggers_bot ON triggers (bot_id, id);
CREATE INDEX triggers_flow ON triggers (flow_id);

-- One row per schedule trigger that fires again. `begun_at`: a fire is under way, for the contacts after `cursor`.
CREATE TABLE schedules (
    trigger_id   INTEGER PRIMARY KEY REFERENCES triggers (id) ON DELETE CASCADE,
    next_fire_at TEXT NOT NULL,
    begun_at     TEXT,
    cursor       INTEGER NOT NULL
) STRICT;
CREATE INDEX schedules_next ON schedules (next_fire_at);

-- `is_announced`: whether there was a `new_contact` event.
CREATE TABLE contacts (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    bot_id              INTEGER NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    phone               TEXT,
    bsuid               TEXT,
    username            TEXT,
    name                TEXT,
    first_name          TEXT,
    last_name           TEXT,
    email               TEXT,
    language            TEXT,
    timezone            TEXT,
    tags                TEXT NOT NULL,
    attributes          TEXT NOT NULL,
    source              TEXT NOT NULL,
    opted_in            INTEGER NOT NULL CHECK (opted_in IN (0, 1)),
    opted_in_changed_at TEXT,
    is_announced        INTEGER NOT NULL CHECK (is_announced IN (0, 1)),
    last_inbound_at     TEXT,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    CHECK (phone IS NOT NULL OR bsuid IS NOT NULL),
    UNIQUE (bot_id, phone),
    UNIQUE (bot_id, bsuid)
) STRICT;
CREATE INDEX contacts_bot ON contacts (bot_id, id);

-- From here on rows are many: they hang on their contact only, because a foreign key to a row that all of them share
-- (the bot, the flow) makes every insert touch it.

CREATE TABLE executions (
    id           INTEGER PRIMARY KEY,
    bot_id       INTEGER NOT NULL,
    contact_id   INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    flow_id      INTEGER NOT NULL,
    flow_version INTEGER NOT NULL,
    trigger_id   INTEGER,
    status       TEXT NOT NULL,
    current_node INTEGER,
    state        TEXT NOT NULL,
    message      TEXT,
    depth        INTEGER NOT NULL,
    steps        INTEGER NOT NULL,
    wake_at      TEXT,
    effect       TEXT,
    error        TEXT,
    started_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    completed_at TEXT
) STRICT;
CREATE INDEX executions_contact ON executions (contact_id, id);
CREATE INDEX executions_live ON executions (contact_id) WHERE completed_at IS NULL;
CREATE INDEX executions_flow ON executions (flow_id, id);
CREATE INDEX executions_bot ON executions (bot_id, id);

CREATE TABLE execution_steps (
    execution_id INTEGER NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL,
    node         INTEGER,
    type         TEXT NOT NULL,
    event        TEXT NOT NULL,
    detail       TEXT NOT NULL,
    duration_us  INTEGER NOT NULL,
    at           TEXT NOT NULL,
    PRIMARY KEY (execution_id, seq)
) STRICT, WITHOUT ROWID;

-- Both directions. An outbound row is its own outbox entry while its status is `queued` or `sending`.
CREATE TABLE messages (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    bot_id            INTEGER NOT NULL,
    contact_id        INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    execution_id      INTEGER,
    direction         TEXT NOT NULL,
    phone_number_id   TEXT NOT NULL,
    wamid             TEXT,
    context_wamid     TEXT,
    type              TEXT NOT NULL,
    text              TEXT,
    reply_id          TEXT,
    content           TEXT NOT NULL,
    raw               TEXT,
    status            TEXT NOT NULL,
    status_rank       INTEGER NOT NULL,
    error             TEXT,
    attempts          INTEGER NOT NULL,
    ambiguous         INTEGER NOT NULL,
    next_attempt_at   TEXT,
    message_timestamp TEXT,
    created_at        TEXT NOT NULL,
    sent_at           TEXT,
    delivered_at      TEXT,
    read_at           TEXT,
    failed_at         TEXT,
    UNIQUE (phone_number_id, wamid)
) STRICT;
CREATE INDEX messages_bot ON messages (bot_id, id);
CREATE INDEX messages_contact ON messages (contact_id, id);
CREATE INDEX messages_unsent ON messages (contact_id, id) WHERE status IN ('queued', 'sending');

-- One row per contact with something to do, now or later. The rules are in storage/src/mailboxes.rs.
CREATE TABLE mailboxes (
    contact_id INTEGER PRIMARY KEY REFERENCES contacts (id) ON DELETE CASCADE,
    bot_id     INTEGER NOT NULL,
    owner      INTEGER,
    arrivals   INTEGER NOT NULL,
    handled    INTEGER NOT NULL,
    open       INTEGER NOT NULL,
    wake_at    TEXT,
    ready_at   TEXT NOT NULL
) STRICT;
CREATE INDEX mailboxes_ready ON mailboxes (ready_at) WHERE owner IS NULL;
CREATE INDEX mailboxes_owner ON mailboxes (owner) WHERE owner IS NOT NULL;

-- What waits to be handled, in order.
CREATE TABLE mailbox_items (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id   INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL,
    message_id   INTEGER,
    execution_id INTEGER,
    payload      TEXT,
    created_at   TEXT NOT NULL
) STRICT;
CREATE INDEX mailbox_items_contact ON mailbox_items (contact_id, id);

CREATE TABLE hosts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    lease_until TEXT NOT NULL
) STRICT;

-- Ids handed out in blocks, for rows whose id must be known before they are written.
CREATE TABLE sequences (
    name TEXT NOT NULL PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;
INSERT INTO sequences (name, next) VALUES ('executions', 1);
