# The leaders of a region, unless they are too few.
curl -s "$URL/v1/leaderboards/CN-BJ?span=month"
