-- Records of one key, the newest first; most records of identity are about none.
CREATE INDEX audit_by_key ON audit (key_id, at) WHERE key_id <> '';
