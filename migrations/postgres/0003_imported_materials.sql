-- What was ever imported into a key, whether or not its bytes are in key_versions: by the check
-- value the same bytes are known again, and others refused. in_use_since is null while the material
-- waits for a rotation.
CREATE TABLE imported_materials (
    project_id   TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    key_id       TEXT    NOT NULL,
    version      BIGINT  NOT NULL,
    material_id  TEXT    NOT NULL,
    check_value  BYTEA   NOT NULL,
    expires_at   BIGINT ,
    in_use_since BIGINT ,
    created_at   BIGINT  NOT NULL,
    seal         BYTEA   NOT NULL,
    PRIMARY KEY (project_id, region, key_id, version),
    FOREIGN KEY (project_id, region, key_id) REFERENCES keys (project_id, region, id)
);
CREATE INDEX imported_materials_by_expiry ON imported_materials (expires_at)
    WHERE expires_at IS NOT NULL;
