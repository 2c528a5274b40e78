"""Published rules that turn one green action into estimated avoided emissions.

The sums are pure: values in, values out; no clock, database, network, settings or randomness, and
files are read by `catalogue.load_catalogue` only. `contract.py` is where to start, then
`catalogue.py`. `authoring/`, `catalogue_site/` and `cli/` serve authors and auditors.
"""

VERSION = "0.1.0"  # of both distributions
