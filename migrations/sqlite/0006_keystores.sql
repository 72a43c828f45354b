-- Keystores that are clusters of hardware security modules (HSMs). A cluster has one at most.
-- key_count: how many keys are in it, so that a keystore goes only when it is empty.
CREATE TABLE keystores (
    project_id     TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    region         TEXT NOT NULL,
    id             TEXT NOT NULL,
    name           TEXT NOT NULL,
    hsm_cluster_id TEXT NOT NULL UNIQUE,
    ca_sha256      TEXT NOT NULL,
    keystore_state INTEGER NOT NULL CHECK (keystore_state IN (2, 3)),
    key_count      INTEGER NOT NULL CHECK (key_count >= 0),
    created_at     INTEGER NOT NULL,
    created_by     TEXT NOT NULL,
    revision       INTEGER NOT NULL,
    seal           BLOB NOT NULL,
    PRIMARY KEY (project_id, region, id)
) STRICT;
CREATE UNIQUE INDEX keystores_by_name ON keystores (project_id, region, name);

-- Objects in HSMs that are to be destroyed from a moment on: those of keys that are destroyed, and
-- those of keys that are being made, until their change has committed. claimed: somebody is about
-- to destroy it, and it is too late for the change.
CREATE TABLE hsm_objects_to_destroy (
    hsm_cluster_id TEXT NOT NULL,
    object_id      TEXT NOT NULL,
    due_at         INTEGER NOT NULL,
    claimed        INTEGER NOT NULL CHECK (claimed IN (0, 1)),
    seal           BLOB NOT NULL,
    PRIMARY KEY (hsm_cluster_id, object_id)
) STRICT;
CREATE INDEX hsm_objects_by_due ON hsm_objects_to_destroy (hsm_cluster_id, due_at);
-- An object is destroyed only while no key has its name.
CREATE INDEX keys_in_keystores ON keys (id) WHERE keystore_id <> '0';
