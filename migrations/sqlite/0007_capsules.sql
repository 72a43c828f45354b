-- The trusted key space: who may open capsules of data keys, and under which policies. A key space
-- is an id and nothing more, so it has no table.

-- kind: 1 a server, 2 a cluster, 3 whoever holds the private key that was made with it.
-- identity: the id of the server or cluster. public_key: SubjectPublicKeyInfo, of kinds 2 and 3.
CREATE TABLE access_points (
    project_id     TEXT NOT NULL REFERENCES projects (id),
    region         TEXT NOT NULL,
    id             TEXT NOT NULL,
    keyspace_id    TEXT NOT NULL,
    name           TEXT NOT NULL,
    kind           INTEGER NOT NULL CHECK (kind IN (1, 2, 3)),
    identity       TEXT,
    public_key     BLOB,
    sealed_private BLOB,
    description    TEXT NOT NULL,
    enabled        INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at     INTEGER NOT NULL,
    created_by     TEXT NOT NULL,
    modified_at    INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    seal           BLOB NOT NULL,
    PRIMARY KEY (project_id, region, id),
    CHECK ((kind = 3) = (identity IS NULL)),
    CHECK ((kind = 1) = (public_key IS NULL)),
    CHECK ((kind = 3) = (sealed_private IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX access_points_by_name ON access_points (project_id, region, keyspace_id, name);
CREATE INDEX access_points_by_id ON access_points (project_id, region, keyspace_id, id);

-- accessed_at: when a capsule was last made or opened under it. It decides nothing and is not sealed.
CREATE TABLE capsule_policies (
    project_id  TEXT NOT NULL REFERENCES projects (id),
    region      TEXT NOT NULL,
    id          TEXT NOT NULL,
    keyspace_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    rules       TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    created_by  TEXT NOT NULL,
    modified_at INTEGER NOT NULL,
    accessed_at INTEGER,
    revision    INTEGER NOT NULL,
    seal        BLOB NOT NULL,
    PRIMARY KEY (project_id, region, id)
) STRICT;
CREATE UNIQUE INDEX capsule_policies_by_name
    ON capsule_policies (project_id, region, keyspace_id, name);
CREATE INDEX capsule_policies_by_id ON capsule_policies (project_id, region, keyspace_id, id);

-- How many of each a project has in a region, so that the limits are exact and cost no counting.
ALTER TABLE project_usage ADD COLUMN access_point_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE project_usage ADD COLUMN capsule_policy_count INTEGER NOT NULL DEFAULT 0;
