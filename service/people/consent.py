"""The text that a person consents to when they link a customer, by its version. Pure.

A text that was ever shown stays here: consents name its version.
"""

TEXTS = {
    "1": (
        "{partner} knows you as one of its customers. If you agree, what it reports about that "
        "customer ({scenario}) is counted for you: estimated avoided emissions and points, also "
        "what has been waiting. {partner} learns that the customer is linked, and nothing else "
        "about you: not your name, not your balance, not what others report. You can end this at "
        "any time; what came before then stays yours."
    )
}
NEWEST = "1"


def text_of(version: str, *, partner: str, scenario: str) -> str:
    """Return the text of a version, for a partner's name and what it reports."""
    return TEXTS[version].format(partner=partner, scenario=scenario)
