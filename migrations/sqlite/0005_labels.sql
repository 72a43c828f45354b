-- What people stick to keys: tags, which find them, and aliases, which stand for their ids. Both are
-- ordered and compared by their bytes, on both databases alike.

-- One value for each tag key of a key. Tags decide nothing, so they have no row seal. Whoever writes
-- one counts up its key's revision, which keeps their number exact.
CREATE TABLE key_tags (
    project_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    tag_key    TEXT NOT NULL,
    tag_value  TEXT NOT NULL,
    PRIMARY KEY (project_id, region, key_id, tag_key),
    FOREIGN KEY (project_id, region, key_id) REFERENCES keys (project_id, region, id)
) STRICT;
CREATE INDEX key_tags_by_tag ON key_tags (project_id, region, tag_key, tag_value, key_id);

-- An alias decides which key is used, so its row is sealed. Its name has no alias/ in front.
CREATE TABLE aliases (
    project_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    name       TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    seal       BLOB NOT NULL,
    PRIMARY KEY (project_id, region, name),
    FOREIGN KEY (project_id, region, key_id) REFERENCES keys (project_id, region, id)
) STRICT;
CREATE INDEX aliases_by_key ON aliases (project_id, region, key_id, name);

-- The few keys of a project whose day has come but which are not destroyed yet: every count leaves
-- them out.
CREATE INDEX keys_leaving ON keys (project_id, region, delete_at) WHERE key_state = 4;
