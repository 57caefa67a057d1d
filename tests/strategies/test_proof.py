"""The proof finds every leak of the corpus and lets every clean function pass."""

from __future__ import annotations

import numpy as np
import pytest
from clean_corpus import CLEAN
from leaky_corpus import LEAKY

from nifty_research.data.bars import Bars
from nifty_research.strategies.proof import Proof, prove
from nifty_research.strategies.proof_bars import proof_bars

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
