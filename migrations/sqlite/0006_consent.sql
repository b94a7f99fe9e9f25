-- Who may be sent what: agreement, the customer service window, and the courtesies of a bot.

-- `stop_words` and `start_words`: lists of words by language; NULL means the words that come along.
-- `number_changed_at`: since when the bot has its number, if it had another one before.
ALTER TABLE bots ADD COLUMN stop_words TEXT;
ALTER TABLE bots ADD COLUMN start_words TEXT;
ALTER TABLE bots ADD COLUMN opt_out_reply TEXT;
ALTER TABLE bots ADD COLUMN opt_in_reply TEXT;
ALTER TABLE bots ADD COLUMN mark_as_read INTEGER NOT NULL DEFAULT 0 CHECK (mark_as_read IN (0, 1));
ALTER TABLE bots ADD COLUMN typing_indicator INTEGER NOT NULL DEFAULT 0 CHECK (typing_indicator IN (0, 1));
ALTER TABLE bots ADD COLUMN number_changed_at TEXT;

-- `window_closed_at`: Meta has said so, and the contact has not written since.
ALTER TABLE contacts ADD COLUMN opted_in_source TEXT;
ALTER TABLE contacts ADD COLUMN window_closed_at TEXT;

-- Every change of a contact's agreement. `at` is when the contact or the caller decided, `created_at` when it was stored.
CREATE TABLE consents (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    opted_in   INTEGER NOT NULL CHECK (opted_in IN (0, 1)),
    source     TEXT NOT NULL,
    detail     TEXT,
    at         TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX consents_contact ON consents (contact_id, id);

-- `fallback`: the template that goes out instead when Meta finds the window closed.
ALTER TABLE messages ADD COLUMN fallback TEXT;
