"""The catalogue of methodologies over HTTP: sheets, factors and the pages of the catalogue site."""
