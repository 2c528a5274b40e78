# One project: its price, its season, what is left.
curl -s "$URL/v1/projects/alxa-saxaul"
