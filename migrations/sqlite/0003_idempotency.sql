-- Requests that are done once however often they are sent; `resource_id` is what the first one made, `status` and
-- `answer` what it was told. Kept for a day.
CREATE TABLE idempotency_keys (
    user_id     INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    path        TEXT NOT NULL,
    key         TEXT NOT NULL,
    digest      TEXT NOT NULL,
    host_id     INTEGER NOT NULL,
    resource_id INTEGER,
    status      INTEGER,
    answer      TEXT,
    created_at  TEXT NOT NULL,
    PRIMARY KEY (user_id, path, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
