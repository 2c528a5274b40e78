# Alice among her friends.
curl -s "$URL/v1/people/alice/leaderboard?span=month" -H "Authorization: Bearer $KEY"
