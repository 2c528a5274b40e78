"""The methodology book over HTTP: every published sheet, and every factor with its source."""
