"""`python follow_feed.py ROOT KEY TOKEN TOKENS`: a feed that comes back, bars made of its ticks."""

from __future__ import annotations

import json
import sys
from typing import Any

from nifty_research.broker.feed import Back, Barrier, Feed, Lost, Ticks
from nifty_research.data.tick_bars import BarBuilder


def tell(kind: str, **what: Any) -> None:
    print(json.dumps({"kind": kind} | what), flush=True)


def main() -> None:
    root, key, token, asked = sys.argv[1:]
    tokens = json.loads(asked)
    builder = BarBuilder({number: place for place, number in enumerate(tokens)})
    feed = Feed(root, key, token, tokens, tries=50, silent_after_s=2.0)
    feed.connect()
    is_first = True  # the frame that comes with a subscription tells what was, not what is
    while True:
        match feed.next(30.0):
            case Ticks(ticks):
                tell("ticks", count=len(ticks), tickless=feed.tickless_s)
                if not is_first:
                    builder.take(ticks)
                is_first = False
            case Barrier(phase=phase):
                if phase == "DAY_OPEN":
                    builder.begin_day()
                if phase == "CLOSE":
                    rows = (builder.open, builder.high, builder.low, builder.close, builder.volume)
                    tell("bar", rows=[row.tolist() for row in rows])
                    builder.begin()
                tell("barrier", phase=phase)
            case Lost(_, reason):
                is_first = True
                tell("lost", reason=reason)
            case Back(silent_s):
                tell("back", silent=silent_s)


if __name__ == "__main__":
    main()
