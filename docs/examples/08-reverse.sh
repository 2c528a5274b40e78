# A refund: carbon is taken back always, points from what is uncollected, then the balance.
curl -s "$URL/v1/actions/$ACTION/reversal" \
  -H "Authorization: Bearer $KEY" \
  -H 'Content-Type: application/json' \
  -d '{"reason": "refund"}'
