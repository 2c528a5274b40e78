-- copy_catalogue
INSERT INTO unknown_at_rest
SELECT (jsonb_populate_record(NULL::unknown_at_rest, to_jsonb(live))).*
FROM "unknown_at_rest".unknown_at_rest AS live ON CONFLICT DO NOTHING
