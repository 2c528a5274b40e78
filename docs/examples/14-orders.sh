# A person's orders.
curl -s "$URL/v1/people/alice/orders" -H "Authorization: Bearer $KEY"
