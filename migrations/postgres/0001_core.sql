-- Times are milliseconds since 1970. Columns named seal are row seals (threat model 5.4).
-- The SQLite folder holds the same tables; a test holds the two together.

CREATE TABLE deployment (
    one         SMALLINT NOT NULL PRIMARY KEY CHECK (one = 1),
    id          TEXT NOT NULL,
    home_region TEXT NOT NULL,
    root_id     TEXT NOT NULL,
    root_check  BYTEA NOT NULL,
    sealed_key  BYTEA NOT NULL,
    created_at  BIGINT NOT NULL
);

-- high_water: the latest time that destruction has believed (threat model 5.5).
-- flushes: counts commits made only to flush the records of earlier ones to disk.
CREATE TABLE clock (
    one        SMALLINT NOT NULL PRIMARY KEY CHECK (one = 1),
    high_water BIGINT NOT NULL,
    flushes    BIGINT NOT NULL
);

-- authority: who vouches for the domain's users; empty for kmsd itself, else an outside issuer.
CREATE TABLE domains (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    authority  TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seal       BYTEA NOT NULL
);

CREATE TABLE projects (
    id         TEXT NOT NULL PRIMARY KEY,
    domain_id  TEXT NOT NULL REFERENCES domains (id),
    name       TEXT NOT NULL,
    account_id TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    seal       BYTEA NOT NULL,
    UNIQUE (domain_id, name)
);

-- The keys between root and material (threat model 5.1), sealed by the root named beside them.
CREATE TABLE project_keys (
    project_id TEXT NOT NULL REFERENCES projects (id),
    epoch      BIGINT NOT NULL,
    root_id    TEXT NOT NULL,
    sealed_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, epoch)
);

-- How many keys a project has in a region, so that the quota is exact and costs no counting.
CREATE TABLE project_usage (
    project_id TEXT NOT NULL REFERENCES projects (id),
    region     TEXT NOT NULL,
    key_count  BIGINT NOT NULL CHECK (key_count >= 0),
    PRIMARY KEY (project_id, region)
);

CREATE TABLE users (
    id                TEXT NOT NULL PRIMARY KEY,
    domain_id         TEXT NOT NULL REFERENCES domains (id),
    name              TEXT NOT NULL,
    password_hash     TEXT NOT NULL,
    enabled           SMALLINT NOT NULL CHECK (enabled IN (0, 1)),
    tokens_valid_from BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    seal              BYTEA NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE role_assignments (
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL REFERENCES projects (id),
    role       TEXT NOT NULL,
    seal       BYTEA NOT NULL,
    PRIMARY KEY (user_id, project_id, role)
);

CREATE TABLE access_keys (
    id            TEXT NOT NULL PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id    TEXT NOT NULL REFERENCES projects (id),
    sealed_secret BYTEA NOT NULL,
    enabled       SMALLINT NOT NULL CHECK (enabled IN (0, 1)),
    expires_at    BIGINT,
    created_at    BIGINT NOT NULL,
    seal          BYTEA NOT NULL
);

-- Key pairs that sign kmsd's own tokens; the newest signs, all verify.
CREATE TABLE token_keys (
    id             TEXT NOT NULL PRIMARY KEY,
    sealed_private BYTEA NOT NULL,
    created_at     BIGINT NOT NULL,
    seal           BYTEA NOT NULL
);

CREATE TABLE revoked_tokens (
    id         TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE TABLE keys (
    project_id          TEXT NOT NULL REFERENCES projects (id),
    region              TEXT NOT NULL,
    id                  TEXT NOT NULL,
    name                TEXT NOT NULL,
    spec                TEXT NOT NULL,
    key_usage           TEXT NOT NULL,
    origin              TEXT NOT NULL,
    description         TEXT NOT NULL,
    key_state           SMALLINT NOT NULL CHECK (key_state IN (2, 3, 4, 5)),
    delete_at           BIGINT,
    current_version     BIGINT,
    material_expires_at BIGINT,
    enterprise_project  TEXT NOT NULL,
    created_at          BIGINT NOT NULL,
    created_by          TEXT NOT NULL,
    revision            BIGINT NOT NULL,
    seal                BYTEA NOT NULL,
    PRIMARY KEY (project_id, region, id),
    CHECK ((key_state = 4) = (delete_at IS NOT NULL)),
    CHECK (key_state NOT IN (2, 3) OR current_version IS NOT NULL),
    CHECK (key_state <> 5 OR current_version IS NULL)
);
CREATE UNIQUE INDEX keys_by_name ON keys (project_id, region, name);
CREATE INDEX keys_by_age ON keys (project_id, region, created_at, id);
CREATE INDEX keys_by_deletion ON keys (delete_at) WHERE key_state = 4;

-- Material, sealed under its project's key. A version never changes; it is only ever destroyed.
CREATE TABLE key_versions (
    project_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    version    BIGINT NOT NULL,
    epoch      BIGINT NOT NULL,
    sealed     BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, region, key_id, version),
    FOREIGN KEY (project_id, region, key_id) REFERENCES keys (project_id, region, id)
);

-- What remains of a destroyed key.
CREATE TABLE tombstones (
    project_id   TEXT NOT NULL,
    region       TEXT NOT NULL,
    key_id       TEXT NOT NULL,
    revision     BIGINT NOT NULL,
    destroyed_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, region, key_id)
);

-- One row for every authenticated call and every refused credential. writer is one run of one
-- process, seq counts its records: together they tell whether a commit happened.
CREATE TABLE audit (
    writer      TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    request_id  TEXT NOT NULL,
    credential  TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    user_name   TEXT NOT NULL,
    project_id  TEXT NOT NULL,
    address     TEXT NOT NULL,
    action      TEXT NOT NULL,
    region      TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    outcome     TEXT NOT NULL,
    detail      TEXT NOT NULL,
    duration_us BIGINT NOT NULL,
    PRIMARY KEY (writer, seq)
);
CREATE INDEX audit_by_time ON audit (at);
