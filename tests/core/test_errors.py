"""Every error of the tree has a code, keeps its parts and survives a pickle."""

import pickle

import pytest

from nifty_research.core import errors
from nifty_research.core.errors import ExitCode, TradingSystemError


def family(kind: type[TradingSystemError]) -> list[type[TradingSystemError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in family(child))]


TREE = [kind for kind in family(TradingSystemError) if kind.__module__ == errors.__name__]


def test_the_tree_is_as_drawn() -> None:
    assert len(TREE) == 24
    assert {kind.__name__ for kind in TREE} <= set(errors.__all__)


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_error_keeps_its_four_parts_through_a_pickle(kind: type[TradingSystemError]) -> None:
    error = kind("it broke", where="here", value=7, remedy="Mend it.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.what, again.where, again.value, again.remedy) == (
        "it broke",
        "here",
        7,
        "Mend it.",
    )
    assert str(again) == "here: it broke (found 7). Mend it."


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_exit_code_is_never_success(kind: type[TradingSystemError]) -> None:
    assert ExitCode(kind.exit_code) is not ExitCode.OK


def test_every_family_but_the_root_has_a_code_of_its_own_kind() -> None:
    for kind in TradingSystemError.__subclasses__():
        assert kind.exit_code != ExitCode.UNEXPECTED, kind


def test_long_value_is_cut_in_the_message_and_whole_in_the_attribute() -> None:
    error = TradingSystemError("too long", value="x" * 5_000)
    assert len(str(error)) < 300
    assert error.value == "x" * 5_000
