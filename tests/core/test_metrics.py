"""Metrics count exactly, from many threads, and their text is what a Prometheus client reads."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from nifty_research.core.errors import UsageError
from nifty_research.core.metrics import PROCESS, Metrics


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(1000):
            metrics.counter("nifty_seen", "Things seen", ["kind"]).labels(kind="tick").inc()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert metrics.value("nifty_seen_total", kind="tick") == 8000


@given(st.lists(st.floats(0.0, 100.0), max_size=50))
def test_text_reads_back_to_what_was_observed(values: list[float]) -> None:
    metrics = Metrics()
    waits = metrics.histogram("nifty_wait_s", "Seconds waited", bounds=(1.0, 10.0))
    for value in values:
        waits.observe(value)
    metrics.gauge("nifty_open", 'Things "open" \\ now', ["what"]).labels(what='a "b"\n').set(2.5)

    families = {one.name: one for one in text_string_to_metric_families(metrics.text())}

    samples = {(s.name, s.labels.get("le", "")): s.value for s in families["nifty_wait_s"].samples}
    assert samples["nifty_wait_s_bucket", "1.0"] == sum(value <= 1.0 for value in values)
    assert samples["nifty_wait_s_bucket", "+Inf"] == len(values)
    assert samples["nifty_wait_s_sum", ""] == pytest.approx(sum(values))
    assert [(s.labels, s.value) for s in families["nifty_open"].samples] == [
        ({"what": 'a "b"\n'}, 2.5)
    ]
    assert not any("_created" in name for name in families)


def test_registries_do_not_share_their_numbers() -> None:
    mine = Metrics()
    mine.counter("nifty_only_here", "Counted in one test").inc()

    assert mine.value("nifty_only_here_total") == 1
    assert PROCESS.value("nifty_only_here_total") == Metrics().value("nifty_only_here_total") == 0


@pytest.mark.parametrize("name", ["", "calls", "nifty_", "nifty_Calls", "nifty_calls\n", "nifty_1"])
def test_names_that_nobody_would_find(name: str) -> None:
    with pytest.raises(UsageError, match="begins with nifty_"):
        Metrics().counter(name, "Calls")


def test_a_metric_without_a_meaning_is_refused() -> None:
    with pytest.raises(UsageError, match="and a meaning"):
        Metrics().gauge("nifty_open", "")


def test_one_name_is_one_thing() -> None:
    metrics = Metrics()
    first = metrics.histogram("nifty_wait_s", "Seconds waited", ["kind"], bounds=(1.0,))

    assert metrics.histogram("nifty_wait_s", "Seconds", ["kind"], bounds=(1.0,)) is first
    for again in (
        lambda: metrics.histogram("nifty_wait_s", "Seconds", bounds=(1.0,)),
        lambda: metrics.counter("nifty_wait_s", "Seconds", ["kind"]),
    ):
        with pytest.raises(UsageError, match="has this name"):
            again()
