"""The proof finds every leak of the corpus and lets every clean function pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from clean_corpus import CLEAN
from hypothesis import given, settings
from hypothesis import strategies as st
from leaky_corpus import LEAKY

from nifty_research.core.errors import ComplianceError, DataError
from nifty_research.data.bars import Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.strategies.moving_average import MovingAverage
from nifty_research.strategies.proof import prove
from nifty_research.strategies.proof_bars import proof_bars
from nifty_research.strategies.proof_findings import Proof
from nifty_research.strategies.proof_subject import opened

CUTS = {"stretch": 120, "others": 80}  # Enough for these; the default has more


@pytest.fixture(scope="session")
def bars() -> Bars:
    "Twenty sessions of five minutes over the end of a year, with membership and split factors."
    made = proof_bars(5, rows=1_500, symbols=5)
    rows, columns = made.shape
    member = np.ones(made.shape)
    factor = np.ones(made.shape)
    for column in range(columns):
        member[(3 + column) * rows // 10 :, column] = column % 2
        factor[(4 + column) * rows // 10 :, column] = 2.0
    arrays = (made.open, made.high, made.low, made.close, made.volume)
    return Bars(
        made.index,
        made.symbols,
        *arrays,
        interval_minutes=made.interval_minutes,
        extra={"member": member, "factor": factor},
    )


def proved(function: object, bars: Bars, name: str = "") -> Proof:
    return prove(function, bars, name=name, **CUTS)


def test_the_corpus_is_large_enough() -> None:
    assert len(LEAKY) >= 25 and len(CLEAN) >= 25


@pytest.mark.parametrize("name", LEAKY)
def test_a_leak_is_found(name: str, bars: Bars) -> None:
    function, words = LEAKY[name]
    proof = proved(function, bars, name)
    assert not proof.holds, proof.text()
    assert words in proof.text(), proof.text()


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_function_passes(name: str, bars: Bars) -> None:
    proof = proved(CLEAN[name], bars, name)
    assert proof.holds, proof.text()


def test_two_leaks_of_one_function_are_both_named(bars: Bars) -> None:
    def two(given: Bars) -> dict[str, np.ndarray]:
        later = np.vstack([given.close[1:], given.close[-1:]])
        return {
            "honest": given.high - given.low,
            "later": later,
            "share": given.volume / np.nanmax(given.volume),
        }

    proof = proved(two, bars)
    assert sorted(one.column for one in proof.findings) == ["later", "share"]


# ---- how far ahead -------------------------------------------------------------------------------


@settings(max_examples=12)
@given(st.integers(1, 60), st.integers(0, 10_000))
def test_any_look_ahead_is_measured_and_any_look_back_passes(far: int, seed: int) -> None:
    made = proof_bars(5, rows=300, symbols=2, seed=seed)

    def ahead(given: Bars) -> np.ndarray:
        later = np.full(given.shape, np.nan)
        later[:-far] = given.volume[far:]
        return later

    def back(given: Bars) -> np.ndarray:
        before = np.full(given.shape, np.nan)
        before[far:] = given.volume[:-far] if far < len(given.index) else before[far:]
        return before

    small = {"stretch": 40, "others": 20}
    assert prove(back, made, **small).holds
    (found,) = prove(ahead, made, **small).findings
    plural = "s" * (far > 1)
    assert found.reads == f"{far} bar{plural} ahead: its own volume"


@given(st.floats(1e-6, 1.0), st.integers(0, 10_000))
def test_a_small_share_of_the_future_is_found(share: float, seed: int) -> None:
    made = proof_bars(5, rows=300, symbols=2, seed=seed)

    def mixed(given: Bars) -> np.ndarray:
        later = np.vstack([given.open[1:], given.open[-1:]])
        return given.open + share * (later - given.open)

    assert not prove(mixed, made, stretch=60, others=20).holds


# ---- cell and line -------------------------------------------------------------------------------


def test_the_cell_of_an_exported_strategy_is_named() -> None:
    proof = prove(MovingAverage(), proof_bars(5, rows=200, symbols=2), stretch=20, others=10)
    assert "strategies/moving_average.ipynb cell " in proof.cell


def test_the_line_that_looks_ahead_is_named(bars: Bars) -> None:
    def several_steps(given: Bars) -> np.ndarray:
        honest = given.close - given.open
        smooth = pd.DataFrame(honest).rolling(5, center=True).mean().to_numpy()
        return np.clip(smooth, -1.0, 1.0)

    (found,) = proved(several_steps, bars).findings
    assert found.value == "smooth" and "center=True" in found.place


def test_a_leak_in_a_helper_is_named_there(bars: Bars) -> None:
    def level(values: np.ndarray) -> np.ndarray:
        return np.nanmax(values, axis=0) * np.ones(values.shape)

    def above(given: Bars) -> np.ndarray:
        return given.close > 0.9 * level(given.close)

    (found,) = proved(above, bars).findings
    assert "np.nanmax(values, axis=0)" in found.place


# ---- where history begins ------------------------------------------------------------------------


def test_the_bars_until_a_start_is_forgotten_are_measured(bars: Bars) -> None:
    def sums(given: Bars) -> dict[str, np.ndarray]:
        volume = pd.DataFrame(np.nan_to_num(given.volume))
        return {"ten": volume.rolling(10).sum().to_numpy(), "all": volume.cumsum().to_numpy()}

    proof = proved(sums, bars)
    ten, everything = proof.drifts
    assert proof.holds and set(ten.settles.values()) == {9}
    assert not everything.vanishes and everything.where


def test_a_value_of_the_session_is_the_same_wherever_history_begins(bars: Bars) -> None:
    (drift,) = proved(CLEAN["high_of_the_day_so_far"], bars).drifts
    assert drift.vanishes and set(drift.settles.values()) == {0}


# ---- bar by bar ----------------------------------------------------------------------------------


def test_who_goes_on_from_bar_to_bar_and_who_needs_a_window(bars: Bars) -> None:
    assert proved(CLEAN["moving_average"], bars).window == ""
    proof = proved(CLEAN["looks_back_by_itself"], bars)
    assert proof.holds and "bar by bar" in proof.window and "needs a window" in proof.text()


# ---- what is not a leak --------------------------------------------------------------------------


def test_a_short_history_may_be_refused(bars: Bars) -> None:
    def of_twenty(given: Bars) -> np.ndarray:
        if len(given.index) < 20:
            raise ValueError("too short")
        return given.close

    proof = proved(of_twenty, bars)
    assert proof.holds, proof.text()
    made = proof_bars(5, rows=200, symbols=2)
    exhaustive = prove(of_twenty, made, exhaustive=True)
    assert exhaustive.holds and "it raises on fewer than 20 bars" in exhaustive.text()


def test_raising_on_a_long_history_or_on_holes_is_a_finding(bars: Bars) -> None:
    def never_half(given: Bars) -> np.ndarray:
        if 500 < len(given.index) < 1000:
            raise ValueError("not today")
        return given.close

    (found,) = proved(never_half, bars).findings
    assert found.check == "error" and "not today" in found.said

    def few_holes_only(given: Bars) -> np.ndarray:
        if given.present.mean() < 0.92:
            raise ValueError("bars are missing")
        return given.close

    plain = synthetic_bars(("INFY", "TCS"), [date(2026, 9, 15)], interval_minutes=1, seed=3)
    (found,) = prove(few_holes_only, plain, stretch=40, others=20).findings
    assert found.check == "error" and "holes and halts" in found.said


def test_ranks_with_ties_pass(bars: Bars) -> None:
    def ranks(given: Bars) -> np.ndarray:
        return np.argsort(np.argsort(given.close, axis=1, kind="stable"), axis=1).astype(float)

    assert proved(ranks, bars).holds


def test_the_first_column_as_the_market_is_found(bars: Bars) -> None:
    def against_the_first(given: Bars) -> np.ndarray:
        return given.close / given.close[:, :1]

    (found,) = proved(against_the_first, bars).findings
    assert found.check == "symbols"


# ---- misuse --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda given: 1.0, "have an answer of 1 rows"),
        (lambda given: given.close[1:], "rows"),
        (lambda given: {}, "nothing that can be compared"),
        (lambda given: given.close.astype(complex), "cannot be compared"),
    ],
)
def test_answers_that_say_nothing_of_bars(
    bars: Bars, answer: Callable[[Bars], object], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        proved(answer, bars)


def test_the_bars_are_not_changed_and_the_proof_repeats(bars: Bars) -> None:
    before = bars.fingerprint()
    first, second = (proved(LEAKY["peaks"][0], bars) for _ in range(2))
    assert bars.fingerprint() == before
    assert first.findings == second.findings and first.cuts == second.cuts


def test_a_failed_proof_is_an_error_where_it_is_required(bars: Bars) -> None:
    with pytest.raises(ComplianceError, match="fails the lookahead proof"):
        proved(LEAKY["filled_backwards"][0], bars).require()
    assert proved(CLEAN["filled_forward"], bars).require().holds


def test_an_import_that_looks_into_the_places_of_the_path_opens_no_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = "__editable__.somewhere.finder.__path_hook__"
    monkeypatch.syspath_prepend(place)

    with opened() as found:
        with suppress(FileNotFoundError):
            open(place)
        with suppress(FileNotFoundError):
            open("prices.csv")

    assert [Path(one).name for one in found] == ["prices.csv"]
