-- _LIST
SELECT 
action.action_id, action.bucket, action.person_id, action.source, action.event_id,
action.partner, action.activity, action.region, action.occurred_at, action.utc_offset_min,
action.recorded_at, action.local_day, action.evidence_level, action.scope,
action.methodology, action.outcome, action.reason, action.detail, action.gross_mg,
action.avoided_mg, action.uncertainty_mg, action.points, action.ripens_at,
action.data, action.digest, action.salt, action.erased_at, action.overlap AS inventory_overlap,
reversal.reason AS reversal_reason, reversal.recorded_at AS reversed_at,
reversal.points AS reversed_points, restated.restatements,
transfer.scheme AS transfer_scheme, transfer.reference AS transfer_reference,
transfer.recorded_at AS transferred_at,
corroboration.other_id AS corroborated_by, corroboration.is_first AS is_corroborated,
EXISTS (SELECT 1 FROM hold WHERE hold.partner = action.partner
        AND hold.activity = action.activity AND hold.local_day = action.local_day
        AND hold.released_at IS NULL) AS held

FROM action LEFT JOIN reversal
    ON reversal.bucket = action.bucket AND reversal.person_id = action.person_id
    AND reversal.action_id = action.action_id
LEFT JOIN transfer
    ON transfer.bucket = action.bucket AND transfer.person_id = action.person_id
    AND transfer.action_id = action.action_id
LEFT JOIN corroboration
    ON corroboration.bucket = action.bucket AND corroboration.person_id = action.person_id
    AND corroboration.action_id = action.action_id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
        'run_id', run_id, 'from', old_methodology, 'methodology', methodology,
        'outcome', outcome, 'reason', reason, 'detail', detail,
        'old_gross_mg', old_gross_mg::text, 'old_avoided_mg', old_avoided_mg::text,
        'gross_mg', gross_mg::text, 'avoided_mg', avoided_mg::text,
        'recorded_at', recorded_at
    ) ORDER BY sequence) AS restatements
    FROM restatement
    WHERE restatement.bucket = action.bucket AND restatement.person_id = action.person_id
      AND restatement.action_id = action.action_id
) AS restated ON true

WHERE action.bucket = ANY (CAST(:buckets AS int2[]))
  AND action.person_id = ANY (CAST(:people AS uuid[])) AND action.action_id < :before
  AND (CAST(:sources AS text[]) IS NULL OR action.source = ANY (CAST(:sources AS text[])))
  AND (CAST(:customers AS uuid[]) IS NULL
       OR coalesce(action.customer_id, action.person_id) = ANY (CAST(:customers AS uuid[])))
ORDER BY action.action_id DESC LIMIT :limit
