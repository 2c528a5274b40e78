"""What has no methodology yet is named, each with its reason."""

from methodologies.catalogue import load_catalogue
from methodologies.document import read_document
from methodologies.folder import PACKAGED

ENTRIES = [
    item.table(needs=["id", "title", "why"])
    for item in read_document(PACKAGED / "NOT_READY.yaml", shown_as="NOT_READY.yaml").items()
]


def test_what_is_not_ready_is_named_once_with_a_title_and_a_reason() -> None:
    ids = [entry["id"].text() for entry in ENTRIES]

    assert {"food.clean_plate", "waste.sorting", "finance.green_account"} <= set(ids)
    assert len(set(ids)) == len(ids)
    assert all(entry["title"].text() and entry["why"].text() for entry in ENTRIES)


def test_what_is_not_ready_is_no_activity() -> None:
    assert load_catalogue().activities.isdisjoint(entry["id"].text() for entry in ENTRIES)
