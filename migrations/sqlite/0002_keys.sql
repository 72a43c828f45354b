-- What keys grew: rotation, keystores, and copies in other regions. Defaults are what older rows
-- were sealed as.
ALTER TABLE keys ADD COLUMN rotation_days INTEGER;
ALTER TABLE keys ADD COLUMN rotate_at INTEGER;
ALTER TABLE keys ADD COLUMN rotations INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN rotated_at INTEGER;
-- 0 is the built-in keystore: material sealed in key_versions.
ALTER TABLE keys ADD COLUMN keystore_id TEXT NOT NULL DEFAULT '0';
-- Null for a key that lives in one region only.
ALTER TABLE keys ADD COLUMN primary_region TEXT;
-- The project that ciphertexts are bound to, where it is not the key's own.
ALTER TABLE keys ADD COLUMN bound_project_id TEXT;
CREATE INDEX keys_by_rotation ON keys (rotate_at) WHERE rotate_at IS NOT NULL;
