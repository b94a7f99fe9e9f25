-- Message templates as Meta last described them, one row per bot, name and language. `changed_at`: when a webhook last
-- said something about it, so that a list that was asked for before does not overwrite it.
CREATE TABLE message_templates (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    bot_id     INTEGER NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    meta_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    language   TEXT NOT NULL,
    category   TEXT NOT NULL,
    status     TEXT NOT NULL,
    reason     TEXT,
    quality    TEXT,
    is_named   INTEGER NOT NULL CHECK (is_named IN (0, 1)),
    components TEXT NOT NULL,
    changed_at TEXT,
    synced_at  TEXT NOT NULL,
    UNIQUE (bot_id, name, language)
) STRICT;

-- Which account a bot's templates were fetched from, and how that went. `synced_at` NULL: to be fetched anew.
CREATE TABLE template_syncs (
    bot_id    INTEGER PRIMARY KEY REFERENCES bots (id) ON DELETE CASCADE,
    waba_id   TEXT NOT NULL,
    synced_at TEXT,
    tried_at  TEXT NOT NULL,
    error     TEXT
) STRICT;
CREATE INDEX template_syncs_account ON template_syncs (waba_id);

-- Files that people sent, kept or to be fetched. `contact_id` becomes NULL with the contact: then the file is to be
-- removed. `next_attempt_at` is NULL once the file is `stored` or given up (`failed`).
CREATE TABLE media (
    message_id      INTEGER PRIMARY KEY,
    bot_id          INTEGER NOT NULL,
    contact_id      INTEGER REFERENCES contacts (id) ON DELETE SET NULL,
    media_id        TEXT NOT NULL,
    sha256          TEXT,
    state           TEXT NOT NULL,
    mime_type       TEXT,
    size            INTEGER,
    attempts        INTEGER NOT NULL,
    next_attempt_at TEXT,
    error           TEXT,
    created_at      TEXT NOT NULL
) STRICT;
CREATE INDEX media_due ON media (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX media_contact ON media (contact_id);
CREATE INDEX media_age ON media (created_at);
