-- A key and its replicas have one id: this finds them all.
CREATE INDEX keys_by_id ON keys (id);
