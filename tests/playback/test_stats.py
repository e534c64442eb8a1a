"""What `--stats` reports, field by field."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from lightpeer.core.segments.playout import Playout
from lightpeer.core.segments.shared import DownloadStats
from lightpeer.net.network import Counters
from lightpeer.playback import stats
from lightpeer.playback.stats import PlayStats

FIELDS = [
    *("time_to_first_audio_ms", "startup_ms", "rebuffers", "rebuffer_s", "played_s", "audio_bytes"),
    *("kept_bytes", "rx_bytes", "tx_bytes", "bitrate_mean_kbps", "bitrate_switches"),
    *(
        "replaced_bytes",
        "transport",
        "sources",
        "retransmitted_units",
        "duplicate_units",
        "wasted_bytes",
        "queue_delay_p95_ms",
        "goodput_kbps",
        "cpu_s",
        "max_rss_kb",
    ),
]
BANDWIDTH = SimpleNamespace(queue_delay_p95_s=lambda: 0.0421)


@pytest.fixture(autouse=True)
def at(monkeypatch):
    """Says what time it is for trio."""
    now = [0.0]
    monkeypatch.setattr(stats.trio, "current_time", lambda: now[0])
    return lambda moment: now.__setitem__(0, moment)


def a_session(*, rebuffers=0, rebuffer_s=0.0, wasted_bytes=0, **counts):
    playout = Playout(rebuffers=rebuffers, rebuffer_s=rebuffer_s)
    return SimpleNamespace(
        stats=DownloadStats(**counts),
        playout=playout,
        download=SimpleNamespace(scheduler=SimpleNamespace(wasted_bytes=wasted_bytes)),
    )


def report(collected, *running, counters=None):
    return collected.report(running, BANDWIDTH, counters or Counters())


def test_every_field_is_there_before_anything_was_played():
    told = report(PlayStats())
    assert list(told) == FIELDS
    assert told["time_to_first_audio_ms"] is None
    assert told["startup_ms"] is None
    assert told["transport"] == "-"
    assert (told["played_s"], told["bitrate_mean_kbps"], told["goodput_kbps"]) == (0.0, 0.0, 0.0)
    json.dumps(told)


def test_sessions_that_ended_and_those_that_run_add_up():
    collected = PlayStats()
    collected.add(
        a_session(
            rebuffers=1,
            rebuffer_s=1.25,
            switches=2,
            wasted_bytes=900,
            replaced_bytes=30,
            audio_bytes=60_000,
            fetched_bytes=62_500,
            fetching_s=4.0,
            segments=10,
            bitrate_seconds=480.0,
            retransmitted_units=3,
            duplicate_units=1,
            sources=3,
            transports={"udp"},
        )
    )
    running = a_session(
        rebuffers=1,
        rebuffer_s=0.5,
        wasted_bytes=100,
        replaced_bytes=40,
        audio_bytes=12_000,
        fetched_bytes=37_500,
        fetching_s=1.0,
        segments=30,
        bitrate_seconds=720.0,
        sources=1,
        transports={"udp", "grpc"},
    )
    counters = Counters()
    counters.add(rx=1000, tx=100)
    told = report(collected, running, counters=counters)
    grows = {name: told[name] for name in ("cpu_s", "max_rss_kb")}  # the process goes on meanwhile
    assert told == report(collected, running, counters=counters) | grows  # adds nothing up
    assert (told["rebuffers"], told["rebuffer_s"]) == (2, 1.75)
    assert told["audio_bytes"] == 72_000
    assert (told["rx_bytes"], told["tx_bytes"]) == (1000, 100)
    assert told["bitrate_mean_kbps"] == 30.0  # 10 s at 48 kbit/s and 30 s at 24
    assert told["bitrate_switches"] == 2
    assert told["transport"] == "grpc+udp"
    assert told["sources"] == 3  # at a time
    assert (told["retransmitted_units"], told["duplicate_units"]) == (3, 1)
    assert (told["wasted_bytes"], told["replaced_bytes"]) == (1000, 70)
    assert told["queue_delay_p95_ms"] == 42.1
    assert told["goodput_kbps"] == 160.0  # while something was being fetched


def test_an_interruption_that_goes_on_counts_until_now(at):
    session = a_session()
    session.playout.update(5.0, 1.0, 0.0, complete=False)
    session.playout.update(0.0, 1.0, 10.0, complete=False)
    collected = PlayStats()
    at(12.5)
    assert report(collected, session)["rebuffer_s"] == 2.5
    at(13.0)
    collected.add(session)
    at(99.0)
    assert report(collected)["rebuffer_s"] == 3.0


def test_what_was_given_to_the_sink(monkeypatch):
    monkeypatch.setattr(stats, "_process_start", lambda: 100.0)
    collected = PlayStats(first_packet_at=100.25)
    collected.on_pcm(0.1, 101.5)
    collected.on_pcm(0.2345, 102.0)
    told = report(collected)
    assert (told["startup_ms"], told["time_to_first_audio_ms"]) == (250, 1500)
    assert told["played_s"] == pytest.approx(0.3345, abs=0.0006)


@pytest.mark.skipif(sys.platform != "linux", reason="from /proc")
def test_the_start_is_the_process_s_not_its_imports():
    code = "from lightpeer.playback import stats; print(stats._process_start(), stats._IMPORTED_AT)"
    before = time.monotonic()
    started, imported = map(float, subprocess.check_output([sys.executable, "-c", code]).split())
    assert before - 0.02 <= started < imported  # the kernel counts in hundredths of a second


def test_where_the_kernel_does_not_tell_the_import_stands_for_the_start(monkeypatch):
    monkeypatch.setattr(stats.sys, "platform", "freebsd")
    assert stats._process_start() == stats._IMPORTED_AT


def test_peak_memory_is_in_kilobytes():
    assert 10_000 < stats._max_rss_kb() < 4_000_000


def test_peak_memory_is_in_kilobytes_on_a_mac_too(monkeypatch):
    import resource

    monkeypatch.setattr(stats.sys, "platform", "darwin")
    monkeypatch.setattr(resource, "getrusage", lambda _: SimpleNamespace(ru_maxrss=37 * 1024 * 1024))
    assert stats._max_rss_kb() == 37 * 1024
