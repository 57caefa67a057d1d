"""`python watch_feed.py ROOT KEY TOKEN NAMES ASKED`: a watched feed, one line a barrier."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta

from nifty_research.broker.feed import Barrier, Feed, Lost, Ticks
from nifty_research.broker.staleness import Staleness
from nifty_research.core.clock import IST, SimulatedClock

STEP = timedelta(minutes=1)


def main() -> None:
    root, key, token, names, asked = sys.argv[1:]
    wanted = {int(number): name for number, name in json.loads(names).items()}
    clock = SimulatedClock(datetime(2026, 9, 15, 9, 15, tzinfo=IST))
    watch = Staleness(clock, 120, names=wanted)
    feed = Feed(root, key, token, json.loads(asked))
    feed.connect()
    ticked = 0
    while True:
        match feed.next(10.0):
            case Ticks(ticks):
                if not ticked:  # The last known prices come with the subscription
                    print("connected", flush=True)
                ticked += len(ticks)
                watch.seen(tick["instrument_token"] for tick in ticks)
            case Barrier():
                told = [(alert.kind, alert.where) for alert in watch.check()]
                print(json.dumps({"ticked": ticked, "told": told}), flush=True)
                if sys.stdin.readline() != "go on\n":
                    break
                clock.advance(clock.now() + STEP)
            case Lost():
                raise ConnectionError("the feed is lost")
    clock.advance(clock.now() + 5 * STEP)
    told = [(alert.kind, alert.where) for alert in watch.check()]
    print(json.dumps({"ticked": ticked, "told": told}), flush=True)
    feed.close()


if __name__ == "__main__":
    main()
