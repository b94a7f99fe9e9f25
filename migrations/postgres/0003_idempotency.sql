-- Requests that are done once however often they are sent; `resource_id` is what the first one made, `status` and
-- `answer` what it was told. Kept for a day.
CREATE TABLE idempotency_keys (
    user_id     BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    path        TEXT NOT NULL,
    key         TEXT NOT NULL,
    digest      TEXT NOT NULL,
    host_id     BIGINT NOT NULL,
    resource_id BIGINT,
    status      BIGINT,
    answer      TEXT,
    created_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, path, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
