# Spend points on a tree. The Idempotency-Key makes a repeat answer the same.
curl -s "$URL/v1/orders" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -H "Idempotency-Key: order-$ID" \
  -d '{"project_id": "alxa-saxaul", "subject": "alice"}'
