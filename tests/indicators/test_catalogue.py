"""What every indicator keeps: bars one by one, cuts, holes, strangers, scale, bounds, bad input."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nifty_research.indicators
from nifty_research.core.errors import DataError, SettingsError
from nifty_research.indicators.candles import PATTERNS
from nifty_research.indicators.catalogue import CATALOGUE, Entry
from nifty_research.indicators.definition import Indicator, going_on, over

Columns = list[np.ndarray]
EVERY = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)
FILLS = {"latest"}  # Gives a value for a missing bar, on purpose
IN_PRICES = {  # Outputs that are prices, or price distances: twice the price, twice the value
    *("sma", "ema", "wma", "dema", "tema", "wilder", "momentum", "macd", "bollinger", "keltner"),
    *("donchian", "highest", "lowest", "atr", "crossing", "lag", "latest"),
    *("vwap", "opening_range", "pivots", "breakout", "double_top", "double_bottom"),
    *("volume_average", "obv", "accumulation", "chaikin"),  # shares, of which there are four times
}
FREE_OF_PRICE = {  # Outputs that do not know the unit of the price
    *("rsi", "stochastic", "williams", "cci", "rate_of_change", "percent_b", "band_width", "adx"),
    *("volume_ratio", "cmf", "mfi", "z_score", "correlation", "beta"),
    *("volatility", "parkinson", "garman_klass", "yang_zhang", "inside_bar", "gap"),
    *PATTERNS,
}
RUNNING_TOTALS = {"obv", "accumulation"}  # Of which only changes count
NOT_ALL_DAY = {"opening_range", "pivots", "gap"}  # NaN where a session begins, whatever came before
PAUSES = {*NOT_ALL_DAY, "correlation", "beta"}  # NaN where there is nothing to compare with
NOT_WITHOUT_VOLUME = {"volume_ratio"}  # NaN against nothing
BOUNDS = {
    "rsi": (0, 100),
    "stochastic": (0, 100),
    "williams": (-100, 0),
    "adx": (0, 100),
    "band_width": (0, np.inf),
    "atr": (0, np.inf),
    "volume_average": (0, np.inf),
    "volume_ratio": (0, np.inf),
    "cmf": (-1, 1),
    "mfi": (0, 100),
    "correlation": (-1, 1),
    "inside_bar": (0, 1),
    **dict.fromkeys(PATTERNS, (-100, 100)),
    **dict.fromkeys(("volatility", "parkinson", "garman_klass", "yang_zhang"), (0, np.inf)),
}


def small(row: Entry) -> Indicator:
    "The indicator with periods so short that random bars fill them."
    given_ = {**dict(inspect.signature(row.build).parameters), **row.arguments}
    periods = {name: 2 + number for number, name in enumerate(given_) if is_period(given_[name])}
    return row.indicator(**periods)


def is_period(argument: object) -> bool:
    "Whether an argument counts bars."
    value = argument.default if isinstance(argument, inspect.Parameter) else argument
    return isinstance(value, int) and not isinstance(value, bool)


def market(rng: np.random.Generator, bars: int, symbols: int, nature: str) -> dict[str, np.ndarray]:
    "Columns of made-up bars, some of them missing."
    steps = rng.normal(0, 0 if nature == "still" else 1, (bars, symbols))
    if nature == "wild":
        steps *= rng.choice([0.1, 1, 40], (bars, symbols), p=[0.5, 0.45, 0.05])
    close = np.round(rng.uniform(50, 5000, symbols) + np.cumsum(steps, axis=0) * 0.5, 2)
    close = np.maximum(close, 1.0)
    above, below = np.round(np.abs(rng.normal(0, 1, (2, bars, symbols))), 2)
    if nature == "still":
        above[:] = below[:] = 0.0
    volume = rng.integers(0, 5, (bars, symbols)) * 1000.0
    columns = {
        "open": close + np.where(rng.random(close.shape) < 0.5, above, -np.minimum(below, 0.5)) / 2,
        "high": close + above,
        "low": np.maximum(close - below, 0.5),
        "close": close,
        "volume": volume,
        "value": close,
        "other": np.round(close * 1.1 + rng.normal(0, 1, close.shape), 2),
        "session": np.repeat(np.arange(bars // 7 + 1.0), 7)[:bars, None] + np.zeros(symbols),
    }
    columns["open"] = np.clip(columns["open"], columns["low"], columns["high"])
    if nature != "whole":
        gone = rng.random(close.shape) < 0.15
        gone[: bars // 4, 0] = True  # the first symbol lists in mid-history
        for name, values in columns.items():
            if name != "session":
                values[gone] = np.nan
    return columns


@st.composite
def markets(draw: st.DrawFn) -> dict[str, np.ndarray]:
    "Made-up bars of one nature or another."
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bars, symbols = draw(st.integers(1, 70)), draw(st.integers(1, 4))
    nature = draw(st.sampled_from(["usual", "wild", "still", "whole"]))
    return market(rng, bars, symbols, nature)


def columns_of(row: Entry, bars: dict[str, np.ndarray]) -> Columns:
    "What an indicator takes."
    return [bars[name] for name in row.inputs]


@EVERY
@given(bars=markets())
def test_one_bar_at_a_time_is_the_array(row: Entry, bars: dict[str, np.ndarray]) -> None:
    indicator, columns = small(row), columns_of(row, bars)
    states = indicator.fresh(columns[0].shape[1])
    single = [
        going_on(indicator, states, *(column[at : at + 1] for column in columns))
        for at in range(len(columns[0]))
    ]
    for output, whole in enumerate(over(indicator, *columns)):
        np.testing.assert_array_equal(np.concatenate([bar[output] for bar in single]), whole)


@EVERY
@given(bars=markets(), data=st.data())
def test_a_cut_anywhere_changes_nothing(
    row: Entry, bars: dict[str, np.ndarray], data: st.DataObject
) -> None:
    indicator, columns = small(row), columns_of(row, bars)
    cut = data.draw(st.integers(0, len(columns[0])))
    states = indicator.fresh(columns[0].shape[1])
    before = going_on(indicator, states, *(column[:cut] for column in columns))
    after = going_on(indicator, states, *(column[cut:] for column in columns))
    for first, second, whole in zip(before, after, over(indicator, *columns), strict=True):
        np.testing.assert_array_equal(np.concatenate([first, second]), whole)


@EVERY
@given(bars=markets())
def test_each_symbol_is_alone(row: Entry, bars: dict[str, np.ndarray]) -> None:
    indicator, columns = small(row), columns_of(row, bars)
    for symbol in range(columns[0].shape[1]):
        alone = over(indicator, *(column[:, symbol] for column in columns))
        for own, whole in zip(alone, over(indicator, *columns), strict=True):
            np.testing.assert_array_equal(own, whole[:, symbol])


@EVERY
@given(bars=markets())
def test_missing_bars_are_missing_and_otherwise_not_noticed(
    row: Entry, bars: dict[str, np.ndarray]
) -> None:
    indicator, columns = small(row), columns_of(row, bars)
    whole = over(indicator, *columns)
    for symbol in range(columns[0].shape[1]):
        here = ~np.isnan([column[:, symbol] for column in columns]).any(axis=0)
        without = over(indicator, *(column[here, symbol] for column in columns))
        for values, known in zip(whole, without, strict=True):
            np.testing.assert_array_equal(values[here, symbol], known)
            assert row.name in FILLS or np.isnan(values[~here, symbol]).all()


@EVERY
@given(bars=markets(), bad=st.sampled_from([np.inf, -np.inf]))
def test_an_infinity_is_a_missing_bar(row: Entry, bars: dict[str, np.ndarray], bad: float) -> None:
    columns = columns_of(row, bars)
    infinite = [np.where(np.isnan(column), bad, column) for column in columns]
    for seen, known in zip(over(small(row), *infinite), over(small(row), *columns), strict=True):
        np.testing.assert_array_equal(seen, known)


@EVERY
def test_warm_up_is_what_the_table_says(row: Entry) -> None:
    bars = market(np.random.default_rng(0), 300, 2, "whole")
    if row.name in NOT_WITHOUT_VOLUME:
        bars["volume"] += 1000.0
    for indicator in (small(row), row.indicator()):
        ready = ~np.isnan(over(indicator, *columns_of(row, bars))).any(axis=0)
        assert row.name in PAUSES or ready[indicator.warmup :].all()
        assert not ready[: indicator.warmup].any()


@EVERY
@given(bars=markets())
def test_four_times_the_price(row: Entry, bars: dict[str, np.ndarray]) -> None:
    if row.name not in IN_PRICES | FREE_OF_PRICE:
        return
    columns = columns_of(row, bars)
    factor = 4.0 if row.name in IN_PRICES else 1.0
    dearer = over(small(row), *(column * 4.0 for column in columns))
    for seen, known in zip(dearer, over(small(row), *columns), strict=True):
        np.testing.assert_array_equal(seen, known * factor)


@EVERY
@given(bars=markets())
def test_values_stay_within_bounds(row: Entry, bars: dict[str, np.ndarray]) -> None:
    lowest, highest = BOUNDS.get(row.name, (-np.inf, np.inf))
    for values in over(small(row), *columns_of(row, bars)):
        known = values[~np.isnan(values)]
        assert np.isfinite(known).all()
        assert (known >= lowest - 1e-9).all() and (known <= highest + 1e-9).all()


@EVERY
@pytest.mark.parametrize("bars", [0, 1, 2])
def test_hardly_any_bars(row: Entry, bars: int) -> None:
    few = market(np.random.default_rng(1), bars, 2, "whole")
    for values in over(row.indicator(), *columns_of(row, few)):
        assert values.shape == (bars, 2)
        assert row.indicator().warmup < bars or np.isnan(values).all()


@EVERY
def test_periods_that_count_no_bars_are_refused(row: Entry) -> None:
    parameters = {**dict(inspect.signature(row.build).parameters), **row.arguments}
    for name, value in parameters.items():
        if is_period(value):
            for wrong in (0, -3, 2.5, True, "5", None):
                with pytest.raises(SettingsError, match="whole number"):
                    row.indicator(**{name: wrong})


@EVERY
def test_columns_of_other_bars_are_refused(row: Entry) -> None:
    bars = market(np.random.default_rng(2), 20, 3, "whole")
    columns = columns_of(row, bars)
    with pytest.raises(DataError, match="takes"):
        over(row.indicator(), *columns, columns[0])
    if len(columns) > 1:
        with pytest.raises(DataError, match="different shapes"):
            over(row.indicator(), *columns[:-1], columns[-1][1:])


@EVERY
def test_blocks_of_symbols_on_threads_give_the_same_bits(
    row: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = market(np.random.default_rng(3), 120, 19, "usual")
    plain = over(row.indicator(), *columns_of(row, bars))
    monkeypatch.setattr("nifty_research.indicators.definition._LARGE", 1)
    monkeypatch.setattr("nifty_research.indicators.definition._cores", lambda: 2)
    for seen, known in zip(over(row.indicator(), *columns_of(row, bars)), plain, strict=True):
        np.testing.assert_array_equal(seen, known)


@EVERY
def test_start_fades_or_is_forgotten(row: Entry) -> None:
    bars = market(np.random.default_rng(4), 1500, 3, "whole")
    columns = columns_of(row, bars)
    indicator = small(row) if row.name in NOT_ALL_DAY else row.indicator()
    late = over(indicator, *(column[210:] for column in columns))
    for seen, known in zip(late, over(indicator, *columns), strict=True):
        scale = max(1.0, np.nanmax(np.abs(known)))
        if row.name in RUNNING_TOTALS:
            seen = seen + (known[210] - seen[0])
        np.testing.assert_allclose(seen[900:], known[1110:], rtol=0, atol=1e-10 * scale)


def indicator_makers() -> set[Callable[..., Indicator]]:
    "Every `…_indicator` function of the room."
    modules = [
        import_module(f"nifty_research.indicators.{found.name}")
        for found in iter_modules(nifty_research.indicators.__path__)
    ]
    return {
        value
        for module in modules
        for name, value in vars(module).items()
        if name.endswith("_indicator") and not name.startswith("_")
    }


def test_no_indicator_was_forgotten() -> None:
    listed = {row.build for row in CATALOGUE}
    forgotten = {maker.__name__ for maker in indicator_makers() - listed}
    assert forgotten <= {"longer_indicator"}  # longer bars, tested in test_timeframes.py
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE)
