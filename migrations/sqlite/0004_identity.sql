-- Phone numbers and business-scoped user ids by which a contact is known beside its own: what Meta made of a number that
-- was sent to, and what a person had before. `ceased_at`: from then on whoever writes from it is somebody else.
CREATE TABLE contact_aliases (
    bot_id     INTEGER NOT NULL,
    address    TEXT NOT NULL,
    contact_id INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    ceased_at  TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (address, bot_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_aliases_contact ON contact_aliases (contact_id);

-- `context`: what it answers, and whether it was forwarded. `referral`: the advertisement that led to it.
-- `group_id`: the group it was written in. `is_echo`: sent by the business's own phone.
ALTER TABLE messages ADD COLUMN context TEXT;
ALTER TABLE messages ADD COLUMN referral TEXT;
ALTER TABLE messages ADD COLUMN group_id TEXT;
ALTER TABLE messages ADD COLUMN is_echo INTEGER NOT NULL DEFAULT 0 CHECK (is_echo IN (0, 1));
ALTER TABLE messages ADD COLUMN accepted_at TEXT;
ALTER TABLE messages ADD COLUMN played_at TEXT;
ALTER TABLE messages ADD COLUMN edited_at TEXT;
ALTER TABLE messages ADD COLUMN deleted_at TEXT;

-- `emoji` is empty when the reaction was taken back: kept, so that an older one that comes late does not revive it.
CREATE TABLE message_reactions (
    message_id INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    contact_id INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    emoji      TEXT NOT NULL,
    at         TEXT NOT NULL,
    PRIMARY KEY (message_id, contact_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_reactions_contact ON message_reactions (contact_id);

-- How far a message to a group got with each member, by phone or business-scoped user id.
CREATE TABLE message_participants (
    message_id   INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    participant  TEXT NOT NULL,
    status       TEXT NOT NULL,
    status_rank  INTEGER NOT NULL,
    error        TEXT,
    sent_at      TEXT,
    delivered_at TEXT,
    read_at      TEXT,
    played_at    TEXT,
    failed_at    TEXT,
    PRIMARY KEY (message_id, participant)
) STRICT, WITHOUT ROWID;

-- Delivery reports that came before Meta's answer to the send was stored. Kept for a day: most of those that nothing
-- takes are of messages that another application sent.
CREATE TABLE early_statuses (
    phone_number_id TEXT NOT NULL,
    wamid           TEXT NOT NULL,
    participant     TEXT NOT NULL,
    status          TEXT NOT NULL,
    error           TEXT,
    at              TEXT NOT NULL,
    received_at     TEXT NOT NULL,
    PRIMARY KEY (phone_number_id, wamid, participant, status)
) STRICT, WITHOUT ROWID;
CREATE INDEX early_statuses_age ON early_statuses (received_at);

-- Which account a number belongs to and how it is displayed, as webhooks tell: account webhooks name a number in no
-- other way.
CREATE TABLE whatsapp_numbers (
    phone_number_id      TEXT NOT NULL PRIMARY KEY,
    waba_id              TEXT,
    display_phone_number TEXT,
    seen_at              TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX whatsapp_numbers_account ON whatsapp_numbers (waba_id);

-- What webhooks told that is no message and no delivery report. `digest` tells a repetition from a second event; none
-- where Meta does not say when it sent it.
CREATE TABLE account_events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    bot_id          INTEGER NOT NULL REFERENCES bots (id) ON DELETE CASCADE,
    phone_number_id TEXT,
    waba_id         TEXT,
    field           TEXT NOT NULL,
    payload         TEXT NOT NULL,
    digest          TEXT,
    sent_at         TEXT,
    created_at      TEXT NOT NULL,
    UNIQUE (bot_id, digest)
) STRICT;
CREATE INDEX account_events_bot ON account_events (bot_id, id);
