"""Send recorded events again, or for the first time, through the HTTP API as anyone would."""
