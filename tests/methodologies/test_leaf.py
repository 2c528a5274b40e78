"""A leaf says named fields under a salt; facts from before there were salts keep the first form."""

from hashlib import sha256

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from methodologies.content import canonical_json
from methodologies.leaf import (
    SALT_BYTES,
    leaf_of_action,
    leaf_of_restatement,
    leaf_of_reversal,
    leaf_of_transfer,
)

SALT = bytes(range(SALT_BYTES))
ACTION = "0190f3c2a4b87c1d8e2f3a4b5c6d7e8f"
OF_ACTION = {
    "action": ACTION,
    "content": "ab" * 32,
    "methodology": "transit.metro@1.0.0",
    "outcome": "credited",
    "gross_mg": "892800",
    "avoided_mg": "794592",
    "points": "79",
}
_ascii = st.text(st.characters(max_codepoint=127), max_size=12)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(st.characters(exclude_categories=["Cs"]))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_ascii, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(_ascii, _values, max_size=6))
def test_content_is_written_as_the_standard_says(content: dict[str, object]) -> None:
    assert canonical_json(content) == rfc8785.dumps(content)


def test_a_leaf_can_be_made_again_with_the_standards_own_tools() -> None:
    content = rfc8785.dumps({"kind": "action", **OF_ACTION})
    commitment = sha256(SALT + content).digest()

    assert leaf_of_action(salt=SALT, **OF_ACTION) == sha256(b"\0" + commitment).digest()


def test_facts_of_every_kind_have_leaves_of_their_own_under_one_salt() -> None:
    reversal = {"salt": SALT, "action": ACTION, "reason": "refund", "avoided_mg": 1, "points": 2}
    restatement = {
        "salt": SALT, "action": ACTION, "sequence": 1, "methodology": "a@2.0.0",
        "outcome": "credited", "gross_mg": 3, "avoided_mg": 1,
    }  # fmt: skip
    transfer = {"salt": SALT, "action": ACTION, "scheme": "beijing", "reference": "Q1"}
    action = {"salt": SALT, **OF_ACTION}
    leaves = []
    for leaf, fields in (
        (leaf_of_action, action),
        (leaf_of_reversal, reversal),
        (leaf_of_restatement, restatement),
        (leaf_of_transfer, transfer),
    ):
        leaves.append(leaf(**fields))
        leaves.append(leaf(**{**fields, "salt": bytes(SALT_BYTES)}))
        for name in fields.keys() - {"salt"}:
            value = fields[name]
            other = value + 1 if isinstance(value, int) else f"{value}0"
            leaves.append(leaf(**{**fields, name: other}))

    assert len(set(leaves)) == len(leaves)


def test_no_value_can_imitate_a_separator() -> None:
    one = {"action": ACTION, "scheme": "beijing|maas", "reference": "Q1"}
    other = {"action": ACTION, "scheme": "beijing", "reference": "maas|Q1"}

    assert leaf_of_transfer(salt=None, **one) == leaf_of_transfer(salt=None, **other)
    assert leaf_of_transfer(salt=SALT, **one) != leaf_of_transfer(salt=SALT, **other)


def test_without_a_salt_leaves_are_what_they_always_were() -> None:
    def first_form(text: str) -> bytes:
        return sha256(f"\0{ACTION}|{text}".encode()).digest()

    assert leaf_of_action(salt=None, **OF_ACTION) == first_form(
        f"{'ab' * 32}|transit.metro@1.0.0|credited|892800|794592|79"
    )
    assert leaf_of_reversal(
        salt=None, action=ACTION, reason="refund", avoided_mg=5, points=7
    ) == first_form("reversal|refund|5|7")
    assert leaf_of_restatement(
        salt=None, action=ACTION, sequence=2, methodology="a@2.0.0", outcome="capped",
        gross_mg=9, avoided_mg=0,
    ) == first_form("restatement|2|a@2.0.0|capped|9|0")  # fmt: skip
    assert leaf_of_transfer(salt=None, action=ACTION, scheme="maas", reference="Q1") == first_form(
        "transfer|maas|Q1"
    )
