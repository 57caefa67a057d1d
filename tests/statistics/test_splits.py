"""No row that is chosen on knows a row that is looked at; agreement with skfolio."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UsageError
from nifty_research.statistics.out_of_sample import (
    path_returns,
    restlessness,
    sharpe_ratios,
    stitched,
)
from nifty_research.statistics.splits import (
    Split,
    combinatorial,
    purged_folds,
    reach_of,
    walk_forward,
)


def leaks(split: Split, last: np.ndarray) -> bool:
    "Whether a row chosen on and a row looked at depend on a common row."
    for row in split.train:
        overlap = (last[split.test] >= row) & (split.test <= last[row])
        if overlap.any():
            return True
    return False


reaches = st.lists(st.integers(0, 6), min_size=30, max_size=80)


@given(reaches, st.integers(2, 6), st.integers(0, 4))
def test_folds_leak_nothing_and_show_every_row_once(
    steps: list[int], folds: int, embargo: int
) -> None:
    rows = len(steps)
    last = np.minimum(np.arange(rows) + steps, rows - 1)
    try:
        splits = purged_folds(rows, folds, reach=last, embargo=embargo)
    except DataError:
        assume(False)

    assert not any(leaks(split, last) for split in splits)
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(rows))
    for split in splits:
        after = split.train[split.train > split.test.max()]
        assert not after.size or after.min() > last[split.test].max() + embargo


@given(reaches, st.integers(1, 25), st.integers(1, 10), st.booleans())
@settings(max_examples=25)
def test_walking_forward_leaks_nothing_and_never_looks_back(
    steps: list[int], train: int, test: int, anchored: bool
) -> None:
    rows = len(steps)
    last = np.minimum(np.arange(rows) + steps, rows - 1)
    try:
        splits = walk_forward(rows, train=train, test=test, anchored=anchored, reach=last)
    except DataError:
        assume(False)

    looked_at = np.concatenate([split.test for split in splits])
    assert not any(leaks(split, last) for split in splits)
    assert all(split.train.max() < split.test.min() for split in splits)
    assert (np.diff(looked_at) > 0).all() and looked_at[-1] == rows - 1
    if not anchored:
        assert all(split.test[0] - split.train[0] <= train for split in splits)


@given(st.integers(2, 7), st.integers(1, 6), st.integers(0, 3))
def test_combinations_are_counted_and_paths_are_whole(
    parts: int, looked_at: int, reach: int
) -> None:
    assume(looked_at < parts)
    cuts = combinatorial(parts * 10, parts, looked_at, reach=reach)

    assert len(cuts.splits) == comb(parts, looked_at)
    assert cuts.paths.shape == (comb(parts - 1, looked_at - 1), parts)
    used = [(split, part) for path in cuts.paths for part, split in enumerate(path)]
    assert len(set(used)) == len(used) == len(cuts.splits) * looked_at
    last = reach_of(parts * 10, reach)
    assert not any(leaks(split, last) for split in cuts.splits)


@pytest.mark.parametrize("purge,embargo", [(0, 0), (3, 0), (2, 4)])
def test_combinations_are_those_of_skfolio(purge: int, embargo: int) -> None:
    library = pytest.importorskip("skfolio.model_selection")
    theirs = library.CombinatorialPurgedCV(
        n_folds=6, n_test_folds=2, purged_size=purge, embargo_size=embargo
    )
    ours = combinatorial(120, 6, 2, reach=purge, embargo=embargo)

    expected = {
        tuple(np.concatenate(tests)): tuple(train)
        for train, tests in theirs.split(np.zeros((120, 1)))
    }

    assert {tuple(one.test): tuple(one.train) for one in ours.splits} == expected
    assert theirs.n_test_paths == len(ours.paths)


@pytest.mark.parametrize("anchored", [False, True])
def test_walking_is_that_of_skfolio(anchored: bool) -> None:
    library = pytest.importorskip("skfolio.model_selection")
    theirs = library.WalkForward(test_size=10, train_size=30, expand_train=anchored, purged_size=2)
    pairs = list(theirs.split(np.zeros((100, 1))))

    ours = walk_forward(100, train=30, test=10, anchored=anchored, reach=2)
    ends = {tuple(one.test): int(one.train[-1]) for one in ours}

    for train, test in pairs:
        start = test[0]
        assert train[-1] == start - 3
        if tuple(test) in ends:
            assert ends[tuple(test)] == start - 3
    assert pairs and len(ours) == 7


@pytest.mark.parametrize("reach", [[1, 0], [0, 1, 5], 2.5, -1])
def test_a_reach_that_is_none_is_refused(reach: object) -> None:
    with pytest.raises((DataError, UsageError)):
        reach_of(3, reach)


# ---- out of sample


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_what_is_stitched_was_never_chosen_on(seed: int, variants: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.0, 0.01, (100, variants))
    splits = walk_forward(100, train=40, test=15)
    before = stitched(returns, splits)

    tampered = returns.copy()
    tampered[splits[-1].test] += 1.0
    after = stitched(tampered, splits)

    assert (after.chosen == before.chosen).all()
    np.testing.assert_array_equal(before.returns[:45], after.returns[:45])
    rows = [returns[split.test, one] for split, one in zip(splits, before.chosen, strict=True)]
    np.testing.assert_array_equal(before.returns, np.concatenate(rows))


def test_paths_of_one_variant_are_its_history() -> None:
    returns = np.random.default_rng(0).normal(0.0, 0.01, (90, 1))

    paths = path_returns(returns, combinatorial(90, 6, 3, reach=2))

    assert paths.shape == (comb(5, 2), 90)
    assert all((path == returns[:, 0]).all() for path in paths)


def test_choosing_noise_is_worth_nothing_and_an_edge_is_kept() -> None:
    rng = np.random.default_rng(1)
    splits = walk_forward(1500, train=500, test=100)
    on_noise, on_edge = [], []
    for _ in range(60):
        noise = rng.normal(0.0, 0.01, (1500, 20))
        edge = noise + np.r_[0.0015, np.zeros(19)]
        on_noise.append(stitched(noise, splits).efficiency)
        on_edge.append(stitched(edge, splits).efficiency)

    assert abs(np.mean(on_noise)) < 0.15
    assert np.mean(on_edge) > 0.7


def test_restlessness_of_blind_choices_is_one() -> None:
    rng = np.random.default_rng(2)
    grid = [(fast, slow) for fast, slow in combinations(range(3, 15), 2)]
    parameters = {"fast": [f for f, _ in grid], "slow": [s for _, s in grid]}

    blind = restlessness(rng.integers(0, len(grid), 4000), parameters)

    assert blind == pytest.approx({"fast": 1.0, "slow": 1.0}, abs=0.06)
    assert restlessness(np.full(9, 5), parameters) == {"fast": 0.0, "slow": 0.0}
    assert sharpe_ratios(np.zeros((5, 2))).tolist() == [0.0, 0.0]
