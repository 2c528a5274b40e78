"""The row of an action has the table's columns, and what is told of it is read from it by name."""

from sqlalchemy import inspect

from service.intake.action_row import ActionRow
from service.intake.outcome import Outcome, outcome_of
from service.intake.tables import Action


def test_a_row_has_every_column_of_the_table_in_its_order() -> None:
    assert ActionRow._fields == tuple(inspect(Action).columns.keys())


def test_what_is_told_of_an_action_has_the_values_of_the_same_names() -> None:
    row = ActionRow._make(ActionRow._fields)  # each field holds its own name

    assert outcome_of(row)._asdict() == {name: name for name in Outcome._fields}
