# The same by month. Public.
curl -s "$URL/v1/totals/series?by=month&activity=transit.metro"
