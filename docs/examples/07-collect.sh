# Move everything ripe to the balance. The Idempotency-Key makes a repeat answer the same.
curl -s -X POST "$URL/v1/people/alice/collect" \
  -H "Authorization: Bearer $KEY" \
  -H "Idempotency-Key: collect-$ID"
