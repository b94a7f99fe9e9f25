-- The PostgreSQL twin has the same tables and columns with its own types.

-- Grows with every change of plugins, grants and secrets; caches compare it. One row.
CREATE TABLE plugin_revision (
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO plugin_revision (revision) VALUES (1);

-- Components by their SHA-256: kept once, whoever uploaded them. Seen only through a version.
CREATE TABLE plugin_components (
    digest TEXT NOT NULL PRIMARY KEY,
    bytes  BLOB NOT NULL
) STRICT;

-- `limits`: what an admin set for this plugin; NULL for the server's own.
CREATE TABLE plugins (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id   INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    is_shared  INTEGER NOT NULL CHECK (is_shared IN (0, 1)),
    limits     TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (owner_id, name)
) STRICT;
CREATE UNIQUE INDEX plugins_shared ON plugins (name) WHERE is_shared;

-- Never changed but for `is_enabled`.
CREATE TABLE plugin_versions (
    plugin_id   INTEGER NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
    version     TEXT NOT NULL,
    digest      TEXT NOT NULL REFERENCES plugin_components (digest),
    manifest    TEXT NOT NULL,
    report      TEXT NOT NULL,
    is_enabled  INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
    uploaded_at TEXT NOT NULL,
    PRIMARY KEY (plugin_id, version)
) STRICT;
CREATE INDEX plugin_versions_digest ON plugin_versions (digest);

-- What a bot's owner allows a plugin.
CREATE TABLE plugin_grants (
    plugin_id  INTEGER NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
    bot_id     INTEGER NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    allowed    TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (plugin_id, bot_id)
) STRICT;
CREATE INDEX plugin_grants_bot ON plugin_grants (bot_id);

-- Sealed by the server, like the secrets of bots.
CREATE TABLE plugin_secrets (
    plugin_id  INTEGER NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
    bot_id     INTEGER NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    sealed     TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (plugin_id, bot_id, name)
) STRICT;
CREATE INDEX plugin_secrets_bot ON plugin_secrets (bot_id, plugin_id, name);

-- `holder`: the contact's id, or 0 for values of the bot. From here on no foreign keys to rows that many share: who
-- deletes a plugin or a bot deletes these.
CREATE TABLE plugin_values (
    plugin_id  INTEGER NOT NULL,
    bot_id     INTEGER NOT NULL,
    holder     INTEGER NOT NULL,
    key        TEXT NOT NULL,
    contact_id INTEGER REFERENCES contacts (id) ON DELETE CASCADE,
    value      BLOB NOT NULL,
    version    INTEGER NOT NULL,
    expires_at TEXT,
    PRIMARY KEY (plugin_id, bot_id, holder, key),
    CHECK (holder = COALESCE(contact_id, 0))
) STRICT;
CREATE INDEX plugin_values_contact ON plugin_values (contact_id);
CREATE INDEX plugin_values_bot ON plugin_values (bot_id);
CREATE INDEX plugin_values_expiry ON plugin_values (expires_at) WHERE expires_at IS NOT NULL;

-- What calls came to that changed values, in the same commit, for the case that they are repeated. Kept for a day.
CREATE TABLE plugin_outcomes (
    plugin_id  INTEGER NOT NULL,
    bot_id     INTEGER NOT NULL,
    call_id    TEXT NOT NULL,
    contact_id INTEGER REFERENCES contacts (id) ON DELETE CASCADE,
    outcome    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (bot_id, call_id)
) STRICT;
CREATE INDEX plugin_outcomes_age ON plugin_outcomes (created_at);
CREATE INDEX plugin_outcomes_contact ON plugin_outcomes (contact_id);
CREATE INDEX plugin_outcomes_plugin ON plugin_outcomes (plugin_id);

-- `source`: `plugin` for its own lines, `host` for failures that the host found. `detail` is for the plugin's owner.
CREATE TABLE plugin_logs (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin_id INTEGER NOT NULL,
    bot_id    INTEGER NOT NULL,
    version   TEXT NOT NULL,
    call_id   TEXT NOT NULL,
    source    TEXT NOT NULL,
    level     TEXT NOT NULL,
    message   TEXT NOT NULL,
    fields    TEXT,
    detail    TEXT,
    at        TEXT NOT NULL
) STRICT;
CREATE INDEX plugin_logs_plugin ON plugin_logs (plugin_id, id);
CREATE INDEX plugin_logs_share ON plugin_logs (plugin_id, bot_id, id);
CREATE INDEX plugin_logs_bot ON plugin_logs (bot_id);

-- What was used, added up. `day` counts days since 1970-01-01 UTC.
CREATE TABLE plugin_usage (
    plugin_id    INTEGER NOT NULL,
    bot_id       INTEGER NOT NULL,
    version      TEXT NOT NULL,
    day          INTEGER NOT NULL,
    calls        INTEGER NOT NULL,
    faults       INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    cpu_us       INTEGER NOT NULL,
    wall_us      INTEGER NOT NULL,
    memory_peak  INTEGER NOT NULL,
    requests     INTEGER NOT NULL,
    egress_bytes INTEGER NOT NULL,
    PRIMARY KEY (plugin_id, bot_id, version, day)
) STRICT;
CREATE INDEX plugin_usage_bot ON plugin_usage (bot_id);
