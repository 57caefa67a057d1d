"""The standard session asks the same either way, and counts what really went over the wire."""

from __future__ import annotations

import pytest

from nifty_research.cli.bench_caches import figures_of, saved_percent
from nifty_research.cli.session_readers import READERS
from nifty_research.cli.standard_session import Played, play
from nifty_research.core.settings import load_settings

MINUTES = 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, Played]:
    settings = load_settings()
    kept, bare = (
        play(
            settings,
            tmp_path_factory.mktemp("session"),
            with_caches=with_caches,
            minutes=MINUTES,
        )
        for with_caches in (True, False)
    )
    return kept, bare


def test_both_ways_ask_the_same(runs: tuple[Played, Played]) -> None:
    kept, bare = runs
    assert kept.questions == bare.questions and kept.minutes == bare.minutes == MINUTES
    a_minute = sum(60 // reader.every_s for reader in READERS if "page" in reader.name)
    assert kept.questions["prices"] == MINUTES * a_minute


def test_without_caches_every_question_is_a_call(runs: tuple[Played, Played]) -> None:
    _, bare = runs
    kinds = {"prices": "quotes", "history": "history", "tokens": "lists"}
    assert {kinds[kind]: count for kind, count in bare.questions.items()} == bare.calls
    assert bare.answered_without_call.total() == 0 and bare.shelves == {}


def test_with_caches_few_are(runs: tuple[Played, Played]) -> None:
    kept, bare = runs
    assert kept.shelves["prices"]["miss"] == 0  # the refresh came before the readers
    assert kept.calls["quotes"] <= 1 + MINUTES and kept.calls["lists"] == 1
    charts = {"warmed up": 50, "shown": 2 * MINUTES}
    assert kept.calls["history"] <= sum(charts.values())
    answered = kept.answered_without_call.total() / kept.questions.total()
    assert answered >= 0.94
    names = {figure.name: figure.value for figure in figures_of(kept, bare)}
    assert names["questions answered without a call"] == pytest.approx(100 * answered)


def test_readers_are_named_with_a_reason_and_fit_into_a_minute() -> None:
    assert len({reader.name for reader in READERS}) == len(READERS)
    assert all(reader.why and 60 % reader.every_s == 0 for reader in READERS)
    assert all(reader.every_s % 10 == 0 for reader in READERS)
    assert saved_percent(3, 12) == 75.0 and saved_percent(0, 0) == 0.0
