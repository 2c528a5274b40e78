"""Every Valkey key of the totals, on one screen. All in one slot; written once for each batch.

| key                      | kind    | what                                                     |
|--------------------------|---------|----------------------------------------------------------|
| `sx:{totals}:generation` | string  | server run, programme and rebuild; missing: do not read  |
| `sx:{totals}:sums`       | hash    | fields of `journal/cell.py`, and `people` -> integer      |
| `sx:{totals}:applied`    | set     | journal rows in the sums that may still be marked        |
| `sx:{totals}:as_of`      | string  | moment (ISO 8601) up to which all is counted             |

No key expires: what is here is replaced or lost, and then made again.
"""

GENERATION = "sx:{totals}:generation"
SUMS = "sx:{totals}:sums"
APPLIED = "sx:{totals}:applied"
AS_OF = "sx:{totals}:as_of"

PEOPLE_FIELD = "people"
