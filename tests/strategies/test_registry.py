"""Strategies are found by name, and slips in their parameters are explained."""

import sys
from pathlib import Path

import pytest

import nifty_research.strategies as room
from nifty_research.core.errors import SettingsError, UsageError
from nifty_research.strategies.registry import (
    load_strategy,
    strategy_names,
    strategy_parameters,
)

SWITCHES = """
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Switches:
    on: bool = False
    word: str = "x"
    share: float = 0.5
    pair: tuple[int, int] = (1, 2)
    name: ClassVar[str] = "switches"
    warmup: ClassVar[int] = 0

    def scores(self, bars, ind):
        raise NotImplementedError
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A further folder of the strategies' package, as an editable install has one."
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("nifty_research.strategies."):
            del sys.modules[name]


def test_every_listed_strategy_loads_with_its_defaults_under_its_name() -> None:
    for name in strategy_names():
        strategy = load_strategy(name, {})
        assert strategy.name == name
        assert strategy.warmup >= 0
        assert 0 < strategy.threshold <= 1


def test_a_new_module_is_found_without_a_list(package: Path) -> None:
    (package / "switches.py").write_text(SWITCHES)
    assert "switches" in strategy_names()
    strategy = load_strategy("switches", {"on": "yes", "word": "a b", "share": " 0.25 "})
    assert strategy_parameters(strategy) == {
        "on": True,
        "word": "a b",
        "share": 0.25,
        "pair": (1, 2),
    }


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"on": "maybe"}, "write one of true"),
        ({"share": "nan"}, "not a finite number"),
        ({"share": "half"}, "'half' is no float"),
        ({"pair": "1, 2"}, "cannot be set from text"),
        ({"name": "other"}, "no parameter 'name'"),
        ({"shar": "1", "wrd": "y"}, "did you mean share.*did you mean word"),
    ],
)
def test_slips_are_explained(package: Path, parameters: dict[str, str], words: str) -> None:
    (package / "switches.py").write_text(SWITCHES)
    with pytest.raises(SettingsError, match=words):
        load_strategy("switches", parameters)


def test_a_broken_module_does_not_hide_the_others(package: Path) -> None:
    (package / "broken.py").write_text("def (:\n")
    assert "moving_average" in strategy_names()


def test_a_module_with_two_strategies_or_a_thawed_one_is_refused(package: Path) -> None:
    (package / "pair.py").write_text(SWITCHES + SWITCHES.replace("Switches", "Others"))
    (package / "thawed.py").write_text(SWITCHES.replace("(frozen=True)", ""))
    for name in ("pair", "thawed"):
        with pytest.raises(UsageError, match="exactly one frozen dataclass"):
            load_strategy(name, {})


def test_unknown_names_and_paths_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean moving_average"):
        load_strategy("moving_avg", {})
    for name in ("", "contract", "../engine", "nifty_research.core.errors"):
        with pytest.raises(UsageError, match="no such strategy"):
            load_strategy(name, {})
