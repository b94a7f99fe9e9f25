-- A contact's messages, and when each was last handed to HTTP: one index for both, because each message that is written is a page
-- of each index.
CREATE INDEX IF NOT EXISTS messages_by_contact ON messages (contact_id, id, attempted_at);
DROP INDEX messages_attempted;
DROP INDEX messages_contact;
