-- Under which encryption contexts a grant opens its key: as JSON, NULL for any.
ALTER TABLE grants ADD COLUMN constraints TEXT;
