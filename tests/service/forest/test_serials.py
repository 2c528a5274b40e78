"""Serials are read back however they are typed, and a slip of the pen is noticed."""

from builders import NOW
from hypothesis import given
from hypothesis import strategies as st

from service.forest.serial import (
    ALPHABET,
    bucket_in,
    make_code,
    make_id,
    make_serial,
    read_code,
    read_serial,
)

BUCKETS = st.integers(0, 1023)


@given(BUCKETS)
def test_a_serial_names_its_bucket(bucket: int) -> None:
    serial = make_serial(bucket)

    assert read_serial(serial) == (bucket, serial)
    assert read_serial(serial.lower().replace("-", " ")) == (bucket, serial)
    assert read_serial(serial.removeprefix("SX-").replace("0", "o").replace("1", "l")) == (
        bucket,
        serial,
    )


@given(BUCKETS, st.integers(0, 13), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(bucket: int, at: int, letter: str) -> None:
    plain = make_serial(bucket).removeprefix("SX-").replace("-", "")
    typed = plain[:at] + letter + plain[at + 1 :]

    assert (read_serial(typed) is None) == (typed != plain)


@given(BUCKETS, st.integers(0, 12))
def test_two_swapped_characters_are_noticed(bucket: int, at: int) -> None:
    plain = make_serial(bucket).removeprefix("SX-").replace("-", "")
    typed = plain[:at] + plain[at + 1] + plain[at] + plain[at + 2 :]

    assert (read_serial(typed) is None) == (typed != plain)


@given(st.text(max_size=30))
def test_anything_else_is_no_serial(text: str) -> None:
    read = read_serial(text)

    assert read is None or 0 <= read[0] < 1024


@given(BUCKETS)
def test_codes_and_ids_name_their_bucket(bucket: int) -> None:
    code = make_code(bucket)

    assert read_code(code) == (bucket, code)
    assert bucket_in(make_id(NOW, bucket)) == bucket
