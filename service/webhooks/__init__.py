"""Merchants' own systems: their webhooks in, our notices out, both signed."""
