# What others see of alice.
curl -s -X PUT "$URL/v1/people/alice/profile" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -d '{"display_name": "Alice", "region": "CN-BJ"}'
