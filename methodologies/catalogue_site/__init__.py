"""The catalogue site: every published sheet and every factor with its source, as static pages."""
