"""Halving history, against the definition done slowly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UsageError
from nifty_research.statistics.overfitting import overfitting


def slowly(returns: np.ndarray, blocks: int, measure: str) -> list[tuple[float, float, float]]:
    "The definition: concatenate, measure, rank."
    parts = np.array_split(returns, blocks)

    def measured(picked: tuple[int, ...]) -> np.ndarray:
        rows = np.concatenate([parts[one] for one in picked])
        if measure == "mean":
            return rows.mean(axis=0)
        spread = rows.std(axis=0, ddof=1)
        moving = spread > 1e-12
        return np.where(moving, rows.mean(axis=0) / np.where(moving, spread, 1.0), 0.0)

    found = []
    for picked in combinations(range(blocks), blocks // 2):
        inside = measured(picked)
        outside = measured(tuple(set(range(blocks)) - set(picked)))
        best = int(inside.argmax())
        below = (outside < outside[best] - 1e-12).sum()
        alike = (np.abs(outside - outside[best]) <= 1e-12).sum()
        rank = (below + (alike + 1) / 2) / (outside.size + 1)
        found.append((inside[best], outside[best], rank))
    return sorted(found)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([4, 6, 8]),
    st.integers(2, 9),
    st.integers(0, 7),
    st.sampled_from(["sharpe", "mean"]),
)
def test_the_fast_way_is_the_definition(
    seed: int, blocks: int, variants: int, more: int, measure: str
) -> None:
    returns = np.random.default_rng(seed).normal(0.001, 0.01, (5 * blocks + more, variants))

    found = overfitting(returns, blocks=blocks, measure=measure)  # type: ignore[arg-type]

    fast = sorted(zip(found.inside, found.outside, found.ranks, strict=True))
    np.testing.assert_allclose(
        np.array(fast), np.array(slowly(returns, blocks, measure)), atol=1e-10
    )


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10.0))
def test_leverage_changes_no_rank(seed: int, leverage: float) -> None:
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (60, 5))

    plain, levered = overfitting(returns, blocks=6), overfitting(returns * leverage, blocks=6)

    np.testing.assert_allclose(plain.ranks, levered.ranks)
    np.testing.assert_allclose(plain.inside, levered.inside, rtol=1e-8)


def test_copies_of_one_variant_stand_in_the_middle() -> None:
    returns = np.repeat(np.random.default_rng(0).normal(0.0, 0.01, (80, 1)), 7, axis=1)

    found = overfitting(returns, blocks=8)

    assert (found.ranks == 0.5).all() and found.probability == 1.0


def test_a_variant_that_never_trades_counts_as_zero() -> None:
    returns = np.random.default_rng(1).normal(-0.01, 0.01, (200, 3))
    returns[:, 2] = 0.0

    found = overfitting(returns, blocks=8)

    assert (found.inside >= 0.0).all() and found.probability < 0.1


def test_halvings_are_counted() -> None:
    returns = np.random.default_rng(2).normal(0.0, 0.01, (100, 4))

    assert overfitting(returns).record()["halvings"] == 12_870
    assert overfitting(returns, blocks=4).ranks.size == 6


@pytest.mark.parametrize("blocks", [0, 2, 7, 22, -4])
def test_blocks_that_cannot_be_halved_are_refused(blocks: int) -> None:
    with pytest.raises(UsageError, match="even number"):
        overfitting(np.zeros((100, 3)), blocks=blocks)


def test_missing_returns_are_named() -> None:
    returns = np.zeros((100, 3))
    returns[41, 2] = np.nan

    with pytest.raises(DataError, match="row 41, column 2"):
        overfitting(returns)
