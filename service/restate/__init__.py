"""Past actions under another version: restated as new facts, or only compared (shadow runs)."""
