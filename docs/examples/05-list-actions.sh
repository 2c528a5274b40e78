# A person's actions, newest first, a page at a time.
curl -s "$URL/v1/people/alice/actions?limit=2" -H "Authorization: Bearer $KEY"
