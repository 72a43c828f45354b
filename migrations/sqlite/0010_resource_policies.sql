-- Who may do what with a key beside what roles and grants say. The digest stands in the key's own
-- sealed row: a document that is lost or altered is noticed, and a key without one costs no look.
ALTER TABLE keys ADD COLUMN policy_digest TEXT;
CREATE TABLE resource_policies (
    project_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    document   TEXT NOT NULL,
    PRIMARY KEY (project_id, region, key_id),
    FOREIGN KEY (project_id, region, key_id) REFERENCES keys (project_id, region, id)
) STRICT;
CREATE INDEX resource_policies_by_key ON resource_policies (key_id, region);
