# Ask by the subject that the app uses; nobody can be searched for.
curl -s "$URL/v1/people/alice/friends" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -H "Idempotency-Key: ask-$ID" \
  -d '{"subject": "bob"}'
