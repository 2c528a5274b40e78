"""Points that ripen at once, for systems that are started here: none can wait for the morning."""

from pathlib import Path

POLICY = Path(__file__).parents[1] / "service" / "points" / "policy.yaml"
NEXT_MORNING = 'ripens: {days: 1, at: "07:00"}'
AT_ONCE = "ripens: at_once"


def policy_at_once(folder: Path) -> Path:
    """This writes the policy that ships into a folder, with points that ripen at once; its file."""
    text = POLICY.read_text()
    assert NEXT_MORNING in text, f"{POLICY} says in other words when points ripen"
    file = folder / "policy.yaml"
    file.write_text(text.replace(NEXT_MORNING, AT_ONCE))
    return file
