# What would it give? Nothing is recorded; any day of the programme may be asked about.
curl -s "$URL/v1/estimates" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/cloudevents+json' \
  -d '{"specversion": "1.0", "id": "what-if", "source": "bus-bj", "type": "transit.bus",
       "subject": "alice", "time": "2026-03-01T08:30:00+08:00",
       "data": {"distance_km": "6", "trip_id": "what-if", "region": "CN"}}'
