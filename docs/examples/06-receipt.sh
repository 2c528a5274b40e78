# The sum behind an action: inputs, factors with their sources, each line, digests.
curl -s "$URL/v1/actions/$ACTION/receipt" -H "Authorization: Bearer $KEY"
