# How grams become points today.
curl -s "$URL/v1/policies"
