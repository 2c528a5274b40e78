# Several events. Each gets its own result; a bad one does not stop the others.
curl -s "$URL/v1/events" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/cloudevents-batch+json' \
  -d '[{"specversion": "1.0", "id": "order-'$ID'", "source": "eats", "type": "food.no_cutlery",
        "subject": "alice", "time": "'$NOW'",
        "data": {"sets": 1, "order_id": "order-'$ID'", "region": "CN"}},
       {"specversion": "1.0", "id": "bike-'$ID'", "source": "bike", "type": "cycle.bike",
        "subject": "bob", "time": "'$NOW'",
        "data": {"mode": "shared_bike", "distance_km": "3.2", "duration_min": "16",
                 "trip_id": "bike-'$ID'", "region": "CN"}},
       {"specversion": "1.0", "id": "bad-'$ID'", "source": "bike", "type": "cycle.bike",
        "subject": "bob", "time": "'$NOW'", "data": {"region": "CN"}}]'
