# A tree; here too few points are answered as a problem.
curl -s "$URL/v1/orders" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -H "Idempotency-Key: order-$ID" \
  -d '{"project_id": "alxa-saxaul", "subject": "alice"}'
