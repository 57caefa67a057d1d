"""An indicator's name tells its arguments to the last digit, since held state is found by it."""

from collections.abc import Callable

import pytest

from nifty_research.indicators.bands import (
    band_width_indicator,
    bollinger_indicator,
    keltner_indicator,
    percent_b_indicator,
)
from nifty_research.indicators.definition import Indicator
from nifty_research.indicators.double_tops import double_bottom_indicator, double_top_indicator
from nifty_research.indicators.trends import supertrend_indicator

Made = Callable[[float], Indicator]


@pytest.mark.parametrize(
    "made",
    [
        lambda width: bollinger_indicator(20, width),
        lambda width: percent_b_indicator(20, width),
        lambda width: band_width_indicator(20, width),
        lambda width: keltner_indicator(20, 10, width),
        lambda width: supertrend_indicator(10, width),
        lambda tolerance: double_top_indicator(3, tolerance / 100),
        lambda tolerance: double_bottom_indicator(3, tolerance / 100),
    ],
)
def test_widths_that_differ_in_the_last_digit_have_names_of_their_own(made: Made) -> None:
    assert made(2.0).name != made(2.0000000000000004).name
    assert made(2).name == made(2.0).name
