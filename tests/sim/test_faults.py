"""The fault run itself: some seeds of it, and that it replays, finds, and shrinks what it finds.

Longer runs: `python -m tests.sim.faults --seeds A:B`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightpeer.core.segments import object_queue
from lightpeer.download.session import Session
from tests.sim.faults.__main__ import failure_of, parse_seeds
from tests.sim.faults.plan import Access, Command, Fault, Phone, Plan, Server, draw
from tests.sim.faults.shrink import as_test, kind_of, shrunk
from tests.sim.faults.watch import Anomaly
from tests.sim.faults.world import run

SEEDS = 80  # from 0 on; less than a minute
HOME = Access(down_bytes_per_s=50_000, up_bytes_per_s=50_000, delay_s=0.05)
QUIET = Plan(1, (Phone(HOME, (0, 1), buffer_bytes=60_000),), (Server(HOME),), (12, 10))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_music_goes_on_whatever_happens(seed: int) -> None:
    assert failure_of(draw(seed)) is None, f"python -m tests.sim.faults --seeds {seed} shrinks it"


def test_a_reply_that_lost_its_end_in_its_own_queue_has_the_time_that_tcp_takes() -> None:
    """Shrunk from seed 13581, which heard nothing for a quarter of a minute between two tracks."""
    thin = Access(down_bytes_per_s=6909, up_bytes_per_s=6000, delay_s=0.03, queue_bytes=16_384)
    fast = Access(down_bytes_per_s=1_000_000, up_bytes_per_s=200_000, delay_s=0.002)
    phone = Phone(thin, (1, 0), buffer_bytes=150_000)
    run(Plan(13581, (phone,), (Server(fast),), (40, 44), ladder_kbps=(24, 48, 96)))


def test_who_was_lost_before_it_opened_may_open_at_another_address() -> None:
    """Shrunk from seed 18945: IPv4 falls silent between a search and the opening of what it found."""
    far = Access(down_bytes_per_s=20_082, up_bytes_per_s=20_082, delay_s=0.6, queue_bytes=16_384)
    phone = Phone(far, (0, 2), start_s=26.0, both_families=True, buffer_bytes=150_000)
    silent = Fault("ipv4 silent", 4.0, 19.0, phone=0)
    run(Plan(18945, (phone,), (Server(HOME),), (22, 23, 36), ladder_kbps=(24, 48, 96), faults=(silent,)))


def test_a_seed_replays_exactly_and_another_does_not() -> None:
    assert run(draw(7)) == run(draw(7))
    assert run(draw(7)) != run(replace(draw(7), seed=8))


def test_a_plan_is_data_that_can_be_printed_and_read() -> None:
    plan = draw(21)
    scope = {c.__name__: c for c in (Plan, Phone, Server, Access, Fault, Command)}
    assert eval(repr(plan), scope) == plan


def test_what_is_wrong_is_found_and_cut_down_to_what_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that gives up after half a minute, as it once did."""
    wait = Session.next_segment

    async def impatient(self: Session) -> object:
        import trio

        with trio.move_on_after(30.0):
            return await wait(self)
        raise Anomaly("the session gave up")

    monkeypatch.setattr(Session, "next_segment", impatient)
    noise = (
        Fault("rate", 2.0, 5.0, phone=0, value=0.5),
        Fault("partition", 5.0, 47.3, phone=0),
        Fault("reorder", 6.0, 20.0, phone=0, value=0.2),
        Fault("wall clock", 9.0, 20.0, server=0, value=0.9),
    )
    phone = replace(QUIET.phones[0], by_words=True)
    plan = replace(QUIET, phones=(phone,), tracks_s=(60, 10), faults=noise)
    failure = failure_of(plan)
    assert failure == "Anomaly: the session gave up"
    least = shrunk(plan, lambda plan: failure_of(plan) == failure)
    assert [fault.kind for fault in least.faults] == ["partition"]
    assert least.faults[0].for_s >= 30.0
    assert not least.phones[0].by_words
    text = as_test(least, failure)
    assert text.startswith("def test_seed_1()")
    assert 'kind="partition"' in text


def test_a_sum_that_does_not_agree_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_queue.ObjectQueue, "release", lambda *_: None)
    plan = replace(QUIET, faults=(Fault("udp blocked", 3.0, 10.0, phone=0),))
    with pytest.raises(Anomaly, match="waited for"):
        run(plan)


def test_another_source_takes_over_what_one_had_that_is_opened_anew() -> None:
    """Seed 40234: its stream had ended while nothing could be sent, and nobody was told of its segments."""
    slow, fast = Access(1_000_000, 15_000, 0.05), Access(1_000_000, 1_000_000, 0.01)
    run(
        Plan(
            seed=40234,
            phones=(
                Phone(
                    Access(11_541, 6_000, 0.1, loss=0.01, queue_bytes=262_144),
                    queue=(0, 1),
                    commands=(Command(35.73, "previous", 26.4), Command(35.78, "previous", -10.0)),
                    by_words=True,
                    buffer_bytes=2_000_000,
                ),
            ),
            servers=(
                Server(replace(slow, queue_bytes=262_144)),
                Server(replace(fast, queue_bytes=262_144)),
            ),
            tracks_s=(28, 25),
            ladder_kbps=(24, 48, 96),
            faults=(
                Fault("partition", 10.54, 29.0, server=1, value=0.396),
                Fault("held up", 50.99, 81.0, phone=0, value=0.834),
            ),
        )
    )


def test_a_fault_of_any_value_befalls() -> None:
    clock = Fault("wall clock", 1.0, 2.0, phone=0, value=1.0)  # as a draw may be rounded
    run(replace(QUIET, faults=(clock,)))


def test_a_disk_that_fails_twice_at_once_gives_all_again_after_that() -> None:
    twice = (Fault("disk fails", 3.0, 4.0, server=0), Fault("disk fails", 5.0, 6.0, server=0))
    run(replace(QUIET, tracks_s=(42, 40), faults=twice))


def test_a_server_bears_all_who_listen_however_thin_it_was_drawn() -> None:
    """Four at 48 kbit/s through 15 kB/s would hear nothing for long, whatever we do."""
    phone = replace(QUIET.phones[0], queue=(0, 1), bitrate_kbps=48)
    thin = replace(HOME, up_bytes_per_s=15_000, queue_bytes=262_144)
    run(Plan(26651, (phone,) * 4, (Server(thin),), (60, 62), ladder_kbps=(48,)))


def test_a_quiet_plan_holds() -> None:
    run(QUIET)


@pytest.mark.parametrize(("text", "seeds"), [("3:5", range(3, 5)), ("7", range(7, 8))])
def test_seeds_of_the_command_line(text: str, seeds: range) -> None:
    assert parse_seeds(text) == seeds


def test_two_failures_are_of_a_kind_if_only_their_numbers_differ() -> None:
    assert kind_of(Anomaly("3 sockets at 10.0.0.1")) == kind_of(Anomaly("4 sockets at 10.9.0.1"))
    assert kind_of(Anomaly("3 sockets")) != kind_of(ValueError("3 sockets"))
