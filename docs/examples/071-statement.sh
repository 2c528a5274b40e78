# What every number of this month comes from.
curl -s "$URL/v1/people/alice/statement" -H "Authorization: Bearer $KEY"
