-- How versions of material came, and what people note of what they import. Defaults are what older
-- rows were: renewed by plan.
ALTER TABLE keys ADD COLUMN on_demand_rotations BIGINT NOT NULL DEFAULT 0;
ALTER TABLE key_versions ADD COLUMN on_demand BIGINT NOT NULL DEFAULT 0;
ALTER TABLE imported_materials ADD COLUMN description TEXT NOT NULL DEFAULT '';
