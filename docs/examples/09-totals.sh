# Estimated avoided emissions so far, and the goal. Public.
curl -s "$URL/v1/totals"
