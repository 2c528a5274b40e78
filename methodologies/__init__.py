"""Published rules that turn one green action into estimated avoided emissions.

Pure: values in, values out. No clock, no database, no network, no settings, no randomness; the only
reading of files is `catalogue.load_catalogue`. Start with `contract.py`, then `catalogue.py`.
"""
