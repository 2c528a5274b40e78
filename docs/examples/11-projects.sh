# The trees that are on offer.
curl -s "$URL/v1/projects"
