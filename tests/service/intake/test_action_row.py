"""The row of an action has the table's columns, and what is told of it is read from it by name."""

from sqlalchemy import inspect

from service.intake.action_row import ActionRow
from service.intake.candidate import Candidate
from service.intake.decide import STATED, _stated
from service.intake.outcome import Outcome, outcome_of
from service.intake.tables import Action


def test_a_row_has_every_column_of_the_table() -> None:
    written_later = {"erased_at"}
    assert set(ActionRow._fields) == set(inspect(Action).columns.keys()) - written_later


def test_a_candidate_hands_its_half_of_the_row_over_by_name() -> None:
    row = {name: name for name in STATED}
    candidate = Candidate(**{name: name for name in Candidate._fields})

    assert dict(zip(STATED, _stated(candidate), strict=True)) == row
    assert set(ActionRow._fields) - set(STATED) - {"data"} <= {
        name for name in ActionRow._fields if name not in Candidate._fields
    }


def test_what_is_told_of_an_action_has_the_values_of_the_same_names() -> None:
    row = ActionRow._make(ActionRow._fields)  # each field holds its own name

    assert outcome_of(row)._asdict() == {name: name for name in Outcome._fields}
