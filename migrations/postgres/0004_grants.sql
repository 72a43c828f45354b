-- What lets others use a key. A principal is an id and the authority that vouches for it (empty for
-- kmsd itself): two authorities may give the same id to two people.
CREATE TABLE grants (
    project_id        TEXT NOT NULL,
    region            TEXT NOT NULL,
    key_id            TEXT NOT NULL,
    id                TEXT NOT NULL,
    name              TEXT NOT NULL,
    grantee_type      TEXT NOT NULL CHECK (grantee_type IN ('user', 'domain')),
    grantee           TEXT NOT NULL,
    grantee_authority TEXT NOT NULL,
    operations        TEXT NOT NULL,
    retirer           TEXT,
    retirer_authority TEXT,
    issuer            TEXT NOT NULL,
    issuer_authority  TEXT NOT NULL,
    created_at        BIGINT NOT NULL,
    seal              BYTEA NOT NULL,
    PRIMARY KEY (project_id, region, key_id, id),
    FOREIGN KEY (project_id, region, key_id) REFERENCES keys (project_id, region, id),
    CHECK ((retirer IS NULL) = (retirer_authority IS NULL))
);
CREATE UNIQUE INDEX grants_by_id ON grants (id);
CREATE INDEX grants_by_key ON grants (key_id, region);
CREATE INDEX grants_by_retirer ON grants (retirer, region) WHERE retirer IS NOT NULL;
