"""From settings to seats: who votes, with which weight, and what contradicts itself."""

from __future__ import annotations

import pytest

from nifty_research.core.errors import SettingsError
from nifty_research.core.settings import load_settings
from nifty_research.strategies.seating import Seated, seated, state_of

TOGETHER = {"strategy.name": "ensemble"}


def those(**changes: str) -> dict[str, Seated]:
    named = {f"ensemble.{name}": value for name, value in changes.items()}
    found = seated(load_settings(overrides=TOGETHER | named))
    return {one.strategy.name: one for one in found}


def test_the_ensemble_of_the_file_is_six_of_whom_macd_only_watches() -> None:
    found = those()
    assert list(found) == [
        "moving_average",
        "rsi_reversion",
        "bollinger_breakout",
        "volume_breakout",
        "momentum",
        "macd",
    ]
    assert {name for name, one in found.items() if one.state == "passive"} == {"macd"}
    assert {name: one.seat.weight for name, one in found.items()} == {
        name: float(name != "macd") for name in found
    }
    for one in found.values():
        assert one.seat.threshold == one.strategy.threshold


def test_kinds_weigh_otherwise_in_ranges() -> None:
    found = those()
    trending, ranging = 1, 3
    follower, reverter = found["moving_average"].seat.factors, found["rsi_reversion"].seat.factors
    assert follower[trending] > follower[ranging] and reverter[trending] < reverter[ranging]


def test_weights_stand_in_the_order_of_the_members() -> None:
    found = those(members="momentum, moving_average", weights="2, 0.5", passive="none")
    assert {name: one.seat.weight for name, one in found.items()} == {
        "momentum": 2.0,
        "moving_average": 0.5,
    }


@pytest.mark.parametrize(("switched_on", "weight"), [("none", 0.0), ("momentum", 1.0)])
def test_a_member_on_trial_votes_only_where_it_is_switched_on(
    switched_on: str, weight: float
) -> None:
    found = those(beta="momentum", beta_on=switched_on)
    assert found["momentum"].state == "beta" and found["momentum"].seat.weight == weight


def test_a_strategy_alone_decides_whatever_its_state_in_the_ensemble() -> None:
    settings = load_settings(overrides={"strategy.name": "macd"})
    (alone,) = seated(settings)
    assert (alone.strategy.name, alone.seat.weight) == ("macd", 1.0)
    assert state_of("macd", settings) == "passive"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": "macd, macd"}, "twice"),
        ({"members": "none", "passive": "none"}, "nobody"),
        ({"passive": "astrology"}, "no member"),
        ({"beta_on": "momentum"}, "beta_on is not in beta"),
        ({"beta": "macd"}, "not both"),
        ({"weights": "1, 1"}, "2 weights for 6 members"),
        ({"members": "Moving Average"}, "like"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(
    changes: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        those(**changes)
