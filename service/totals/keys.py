"""Every Valkey key of the totals, on one screen. All in one hash slot, written once for each batch.

| key                       | kind   | what                                                 | expires |
|---------------------------|--------|------------------------------------------------------|---------|
| `sx:{totals}:generation`  | string | server run id and rebuild id; missing: not to be read | never  |
| `sx:{totals}:sums`        | hash   | `activity|methodology@version|level|region|scope|what` -> int | never |
| `sx:{totals}:applied`     | set    | journal rows in the sums whose pending mark may still stand | never |
| `sx:{totals}:as_of`       | string | moment (ISO 8601) up to which all is counted         | never   |
| `sx:journal`              | channel| a batch was committed: projectors, look              | -       |
"""

GENERATION = "sx:{totals}:generation"
SUMS = "sx:{totals}:sums"
APPLIED = "sx:{totals}:applied"
AS_OF = "sx:{totals}:as_of"
JOURNAL_CHANNEL = "sx:journal"

PEOPLE_FIELD = "people"
FIELD_SEPARATOR = "|"
