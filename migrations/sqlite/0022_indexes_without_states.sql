-- The day says what the state said: a schema's check keeps them together. Without the state in an
-- index, enabling and disabling a key changes no index.
DROP INDEX keys_by_deletion;
DROP INDEX keys_leaving;
CREATE INDEX keys_by_deletion ON keys (delete_at) WHERE delete_at IS NOT NULL;
CREATE INDEX keys_leaving ON keys (project_id, region, delete_at) WHERE delete_at IS NOT NULL;
