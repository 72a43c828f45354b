-- A primary that waits for the end of its replicas, disabled: for how many days it waits itself once
-- the last of them is destroyed. Null for every other key.
ALTER TABLE keys ADD COLUMN replica_wait_days INTEGER CHECK (key_state = 3 OR replica_wait_days IS NULL);
CREATE INDEX keys_by_replica_wait ON keys (id) WHERE replica_wait_days IS NOT NULL;
