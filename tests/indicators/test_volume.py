"""Volume indicators against TA-Lib, and what they say where hardly anything trades."""

import numpy as np
import pytest

from nifty_research.indicators.money_flow import accumulation, chaikin, cmf, mfi
from nifty_research.indicators.volume import obv, volume_average, volume_ratio

talib = pytest.importorskip("talib")


@pytest.fixture
def bars() -> tuple[np.ndarray, ...]:
    "High, low, close and volume of one symbol, with bars that traded nothing or did not move."
    rng = np.random.default_rng(21)
    close = (
        np.round((1412 + np.cumsum(rng.normal(0, 1.2, 3000))) * 16) / 16
    )  # so that sums are exact
    wicks = np.round(np.abs(rng.normal(0, 0.6, (2, 3000))) * 16) / 16
    wicks[:, 500:530] = 0.0
    volume = rng.integers(0, 9, 3000) * 1250.0
    return close + wicks[0], close - wicks[1], close, volume


def agree(ours: np.ndarray, theirs: np.ndarray, rtol: float = 1e-11) -> None:
    "Same warm-up, same values."
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    scale = np.nanmax(np.abs(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * scale)


def test_running_totals_are_those_of_talib(bars: tuple[np.ndarray, ...]) -> None:
    _, _, close, volume = bars
    np.testing.assert_array_equal(obv(close, volume), talib.OBV(close, volume))
    agree(accumulation(*bars), talib.AD(*bars))


@pytest.mark.parametrize(("fast", "slow"), [(3, 10), (2, 3), (10, 40)])
def test_chaikin_is_that_of_talib(bars: tuple[np.ndarray, ...], fast: int, slow: int) -> None:
    agree(chaikin(*bars, fast, slow), talib.ADOSC(*bars, fast, slow), 1e-10)


@pytest.mark.parametrize("period", [2, 14, 20, 55])
def test_windows_are_those_of_talib(bars: tuple[np.ndarray, ...], period: int) -> None:
    volume = bars[-1] + 50.0  # TA-Lib and we say different things where nothing traded
    columns = (*bars[:-1], volume)
    agree(cmf(*columns, period), talib.CMF(*columns, timeperiod=period))
    agree(mfi(*columns, period), talib.MFI(*columns, timeperiod=period), 1e-10)
    agree(volume_average(volume, period), talib.SMA(volume, period))
    agree(volume_ratio(volume, period), talib.RVOL(volume, timeperiod=period))


def test_no_volume_at_all_is_neither_bought_nor_sold(bars: tuple[np.ndarray, ...]) -> None:
    high, low, close, volume = bars
    idle = np.zeros_like(volume)
    assert (mfi(high, low, close, idle)[14:] == 50.0).all()
    assert (cmf(high, low, close, idle)[19:] == 0.0).all()
    assert (chaikin(high, low, close, idle)[9:] == 0.0).all()
    assert np.isnan(volume_ratio(idle)).all()


def test_all_closes_at_the_high_are_all_bought(bars: tuple[np.ndarray, ...]) -> None:
    _, low, close, volume = bars
    low = low - 0.05
    np.testing.assert_allclose(cmf(close, low, close, volume + 1.0)[19:], 1.0, rtol=1e-14)
    np.testing.assert_allclose(accumulation(close, low, close, volume), np.cumsum(volume))


def test_volume_of_another_size_changes_no_share(bars: tuple[np.ndarray, ...]) -> None:
    high, low, close, volume = bars
    for function in (cmf, mfi):
        many, few = function(high, low, close, volume * 512.0), function(high, low, close, volume)
        np.testing.assert_array_equal(many, few)


def test_rounding_of_the_typical_price_is_no_move() -> None:
    high, low = np.array([1411.45, 1411.62]), np.array([1409.75, 1409.63])
    close = np.array([1411.02, 1410.97])
    assert (high + low + close)[0] != (high + low + close)[1]  # in the last bit only
    assert mfi(high, low, close, np.array([100.0, 300.0]), 1)[1] == 50.0
