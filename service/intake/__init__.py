"""Events in: parse, assess, commit in groups, answer for good."""
