"""The proof that ledgers, projections and counters agree, over the tables of every folder."""
