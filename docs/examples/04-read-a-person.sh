# Points and carbon of one person, kept apart. With a person's token it is /v1/people/me.
curl -s "$URL/v1/people/alice" -H "Authorization: Bearer $KEY"
