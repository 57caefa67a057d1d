"""A bar made from frames of ticks is the bar of its ticks, however they fall into frames."""

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.data.tick_bars import BarBuilder

PLACES = {101: 0, 102: 1, 103: 2}
TICKS = st.lists(
    st.fixed_dictionaries(
        {
            "instrument_token": st.sampled_from([101, 102, 103, 999]),  # 999 is not traded
            "last_price": st.integers(1, 4000).map(lambda paise: paise / 20),
        },
        optional={"volume_traded": st.integers(0, 10**9)},
    ),
    max_size=30,
)


def by_definition(ticks: list[dict[str, Any]], token: int) -> list[float]:
    "Open, high, low, close and day's volume of one instrument, from all its ticks."
    own = [tick for tick in ticks if tick["instrument_token"] == token]
    prices = [tick["last_price"] for tick in own] or [np.nan]
    volumes = [tick["volume_traded"] for tick in own if "volume_traded" in tick]
    return [prices[0], max(prices), min(prices), prices[-1], float((volumes or [0])[-1])]


@given(ticks=TICKS, cuts=st.lists(st.integers(0, 30), max_size=5))
def test_frames_do_not_matter(ticks: list[dict[str, Any]], cuts: list[int]) -> None:
    builder = BarBuilder(PLACES)
    edges = [0, *sorted(min(cut, len(ticks)) for cut in cuts), len(ticks)]
    for begin, end in pairwise(edges):
        builder.take(ticks[begin:end])
    for token, place in PLACES.items():
        made = [
            column[place]
            for column in (
                builder.open,
                builder.high,
                builder.low,
                builder.close,
                builder.day_volume,
            )
        ]
        np.testing.assert_array_equal(made, by_definition(ticks, token))


def test_the_next_bar_begins_without_prices_and_with_the_volume_of_the_day() -> None:
    builder = BarBuilder(PLACES)
    builder.take([{"instrument_token": 101, "last_price": 1400.0, "volume_traded": 500}])
    builder.begin()
    assert np.isnan([builder.open, builder.high, builder.low, builder.close]).all()
    builder.take([{"instrument_token": 101, "last_price": 1401.0, "volume_traded": 700}])
    assert builder.volume[0] == 200.0 and np.isnan(builder.volume[1:]).all()
