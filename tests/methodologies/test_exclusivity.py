"""One underlying thing is one claim, whichever sheet an event about it goes to."""

from datetime import date

import pytest

from methodologies.catalogue import load_catalogue
from methodologies.contract import Assessment

CATALOGUE = load_catalogue()
SALE = {"category": "smartphone", "condition": "0.9", "item_id": "IMEI-1", "order_id": "7"}
POWER = {"certificate": "retired_for_user", "claimed_elsewhere": False, "certificate_id": "G-1"}

Reported = tuple[str, dict[str, object]]


def claims(reported: Reported) -> set[str]:
    activity, data = reported
    result = CATALOGUE.assess(activity, region="CN", day=date(2025, 6, 1), level="L1", data=data)
    assert isinstance(result, Assessment)
    return set(result.claims)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (
            ("pack.box_reuse", {"boxes": 1, "dropoff_id": "D-1"}),
            ("pack.box_recycle", {"boxes": 1, "dropoff_id": "D-1"}),
            "box.dropoff:D-1",
        ),
        (
            ("pack.box_reuse", {"boxes": 1, "parcel_ids": ["W-1"]}),
            ("pack.box_recycle", {"mass_kg": "0.2", "parcel_ids": ["W-1"]}),
            "box.parcel:W-1",
        ),
        (
            ("pack.circular_box", {"area_m2": "0.35", "mean_trips": 50, "parcel_id": "W-1"}),
            ("pack.original_box", {"box_mass_kg": "0.2", "parcel_id": "W-1"}),
            "parcel.packing:W-1",
        ),
        (
            ("resale.c2c", SALE),
            ("recycle.phone", {"item_id": "IMEI-1"} | {"units": 1}),
            "item:IMEI-1",
        ),
        (("resale.c2c", SALE), ("resale.c2c", SALE | {"order_id": "8"}), "item:IMEI-1"),
        (
            ("resale.c2c", SALE),
            ("recycle.appliance", {"mass_kg": 50, "item_id": "IMEI-1"}),
            "item:IMEI-1",
        ),
        (
            ("recycle.book", {"books": 1, "item_ids": ["B-1"]}),
            ("recycle.clothes", {"mass_kg": 1, "item_ids": ["B-1"]}),
            "item:B-1",
        ),
        (
            ("energy.pv", {"kwh": 9, "certificate_id": "G-1"}),
            ("energy.green_power", POWER | {"kwh": 9}),
            "energy.certificate:G-1",
        ),
    ],
)
def test_sheets_that_could_credit_the_same_thing_claim_it_alike(
    one: Reported, other: Reported, shared: str
) -> None:
    assert claims(one) & claims(other) == {shared}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            ("food.no_cutlery", {"sets": 1, "order_id": "7"}),
            ("shop.own_cup", {"cups": 1, "order_id": "7"}),
        ),
        (
            ("shop.bag_free", {"bags": 1, "order_id": "7"}),
            ("shop.own_cup", {"cups": 1, "order_id": "7"}),
        ),
        (
            ("recycle.clothes", {"mass_kg": 1, "receipt_id": "7"}),
            ("recycle.book", {"books": 1, "receipt_id": "7"}),
        ),
        (("resale.c2c", SALE), ("food.no_cutlery", {"sets": 1, "order_id": "7"})),
    ],
)
def test_other_things_of_one_order_or_receipt_do_not_collide(
    one: Reported, other: Reported
) -> None:
    assert claims(one)
    assert claims(other)
    assert claims(one).isdisjoint(claims(other))
