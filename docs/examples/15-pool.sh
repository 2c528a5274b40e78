# A pool: several people share a tree.
curl -s "$URL/v1/pools" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -H "Idempotency-Key: pool-$ID" \
  -d '{"project_id": "alxa-saxaul", "subject": "alice", "name": "Class 4b", "daily_points": 2000}'
