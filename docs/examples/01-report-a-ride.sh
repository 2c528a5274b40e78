# One event. The answer is final: outcome, estimated avoided emissions in milligrams, points.
curl -s "$URL/v1/events" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/cloudevents+json' \
  -d '{"specversion": "1.0", "id": "ride-'$ID'", "source": "metro-bj", "type": "transit.metro",
       "subject": "alice", "time": "'$NOW'",
       "data": {"distance_km": "12.4", "trip_id": "trip-'$ID'", "region": "CN"}}'
