"""One UDP stream at the receiving end: what is asked, lost, probed for, measured."""

from __future__ import annotations

import itertools
import math
from unittest.mock import ANY

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpeer.core.udp.datagram import (
    DATA_OVERHEAD,
    MAX_PAYLOAD,
    MAX_RANGES,
    Data,
    DatagramKeys,
    PathToken,
    Unit,
    UnitRange,
    build_data,
    build_path,
    parse_pull_untrusted,
)
from lightpeer.core.udp.events import UnitArrived, UnitsLost
from lightpeer.core.udp.gauge import Gauge
from lightpeer.core.udp.opening import UdpTerms
from lightpeer.core.udp.receiver import Receiver
from tests.core.udp.link import Came, Download, Link

KEYS = DatagramKeys(b"p" * 32, b"d" * 32)


class Harness:
    """A receiver, and a server that says just what a test tells it to."""

    def __init__(self, **more):
        self.gauge = Gauge()
        self.receiver = Receiver(UdpTerms(4747, 7, 0xAA, KEYS), self.gauge, 0.0, **more)

    def ask(self, now, first, units, size=100, segment=3):
        """Ask for units of one segment; return the PULL."""
        self.receiver.ask([(UnitRange(1, segment, first, units), [size] * units)], 50_000, now)
        return self.pull()

    def pull(self):
        outgoing = self.receiver.outgoing
        return parse_pull_untrusted(outgoing.popleft(), KEYS) if outgoing else None

    def data(self, now, unit, pull_no, *, hold_s=0.0, payload=b"x" * 100, segment=3):
        data = Data(7, pull_no, hold_s, Unit(1, segment, unit), payload)
        return self.receive(now, build_data(data, KEYS))

    def path(self, now, token, path_no=0):
        return self.receive(now, build_path(PathToken(7, path_no, token), KEYS))

    def receive(self, now, *datagrams):
        return self.receiver.receive([Came(datagram, now) for datagram in datagrams])


@pytest.fixture
def link():
    return Harness()


def arrived(unit, rtt_s, *, was_asked=True):
    rtt = None if rtt_s is None else pytest.approx(rtt_s)
    return UnitArrived(Unit(1, 3, unit), b"x" * 100, rtt, was_asked, pulled_at=ANY, came_at=ANY)


def lost(*units):
    return UnitsLost(tuple(Unit(1, 3, unit) for unit in units), 100 * len(units), found_at=ANY)


# Asking


def test_what_a_source_may_forget_is_renewed_with_another_pace(link):
    """At 1000 bytes/s 24 units of 100 bytes take 2.4 s, and a source forgets them after 2."""
    link.receiver.ask([(UnitRange(1, 3, 0, 24), [100] * 24)], 1_000, 10.0)
    link.pull()
    for unit, now in enumerate((10.25, 10.5, 10.75)):
        link.data(now, unit, 1)
    assert link.receiver.next_deadline() == 11.0
    assert link.receiver.renewal_at() == 11.0
    link.receiver.renew(5_000, 11.0)
    pull = link.pull()
    assert (pull.pull_no, pull.pace_bytes_per_s, pull.ranges) == (2, 5_000, ())
    assert link.receiver.renewal_at() == math.inf, "all has left within the lease"


def test_what_a_source_has_sent_before_it_forgets_is_not_renewed(link):
    link.receiver.ask([(UnitRange(1, 3, 0, 20), [100] * 20)], 1_000, 10.0)
    assert link.receiver.renewal_at() == math.inf


def test_probes_renew_what_a_source_may_forget(link):
    link.receiver.ask([(UnitRange(1, 3, 0, 30), [100] * 30)], 1_000, 10.0)
    link.receiver.handle_timeout(10.9)
    assert link.receiver.probes_unanswered == 1
    assert link.receiver.renewal_at() == math.inf


def test_a_pull_says_what_is_wanted_and_how_fast(link):
    pull = link.ask(1.0, 0, 4)
    assert (pull.stream_id, pull.pull_no, pull.pace_bytes_per_s, pull.path_token) == (7, 1, 50_000, 0xAA)
    assert pull.ranges == (UnitRange(1, 3, 0, 4),)
    assert link.gauge.outstanding_bytes == 400
    assert link.receiver.first_pull_at == 1.0
    assert link.ask(2.0, 4, 1).pull_no == 2
    assert link.pull() is None
    assert link.receiver.first_pull_at == 1.0


def test_many_ranges_take_several_pulls(link):
    wanted = [(UnitRange(0, segment, 0, 1), [10]) for segment in range(MAX_RANGES + 1)]
    link.receiver.ask(wanted, 1000, 0.0)
    assert [len(link.pull().ranges), len(link.pull().ranges), link.pull()] == [MAX_RANGES, 1, None]
    assert link.gauge.outstanding_bytes == 10 * (MAX_RANGES + 1)


def test_sizes_must_be_given_for_all_units(link):
    with pytest.raises(ValueError, match="shorter"):
        link.receiver.ask([(UnitRange(0, 0, 0, 2), [10])], 1000, 0.0)


# Receiving


def test_a_unit_arrives_with_its_round_trip_less_the_hold(link):
    link.ask(0.0, 0, 2)
    assert link.data(0.25, 0, 1, hold_s=0.05) == [arrived(0, 0.2)]
    assert link.gauge.outstanding_bytes == 100
    assert link.gauge.rtt.mean_s == pytest.approx(0.2)
    assert link.gauge.rtt.variation_s == pytest.approx(0.1)
    link.data(0.33, 1, 1, hold_s=0.05)
    assert link.gauge.rtt.mean_s == pytest.approx(0.21)
    assert link.gauge.rtt.variation_s == pytest.approx(0.095)
    assert link.receiver.arrived == 2


def test_a_unit_tells_when_the_pull_was_sent_that_it_answers(link):
    link.ask(1.0, 0, 2)
    link.ask(1.5, 2, 1)
    assert [link.data(2.0, unit, pull)[0].pulled_at for unit, pull in ((0, 1), (2, 2), (1, 9))] == [
        1.0,
        1.5,
        None,
    ]
    assert link.data(2.0, 1, 1)[0].pulled_at is None, "it was not asked for any more"


def test_a_unit_that_was_not_asked_counts_for_nothing(link):
    link.ask(0.0, 0, 1)
    link.data(0.1, 0, 1)
    for _ in range(2):
        assert link.data(0.2, 0, 1) == [arrived(0, None, was_asked=False)]
    assert link.receiver.arrived == 1


def test_what_came_together_is_told_in_its_order_and_with_its_own_times(link):
    link.ask(0.0, 0, 5)

    def came(now, unit):
        return Came(build_data(Data(7, 1, 0.0, Unit(1, 3, unit), b"x" * 100), KEYS), now)

    path = Came(build_path(PathToken(7, 1, 0xBB), KEYS), 0.15)
    came_together = [came(0.1, 1), came(0.2, 2), path, came(0.3, 3), Came(b"", 0.3), came(0.4, 3)]
    events = link.receiver.receive(came_together)
    assert events == [
        arrived(1, 0.1),
        arrived(2, 0.2),
        arrived(3, 0.3),
        lost(0),
        arrived(3, None, was_asked=False),
    ]
    assert [event.came_at for event in events if isinstance(event, UnitArrived)] == [0.1, 0.2, 0.3, 0.4]
    assert events[3].found_at == 0.3
    assert link.receiver.receive([]) == [], "each is told once"
    assert link.receiver.last_heard_at == 0.3
    assert link.gauge.rtt.mean_s == pytest.approx(0.1 + 0.1 / 8 + (0.3 - 0.1125) / 8)
    assert link.pull().path_token == 0xBB


def test_no_path_is_longer_than_a_minute():
    link = Harness(first_rtt_s=40.0)
    link.ask(0.0, 0, 2)
    assert link.data(59.9, 0, 1) == [arrived(0, 59.9)]
    assert link.data(60.0, 1, 1) == [arrived(1, None)]
    assert link.gauge.rtt.mean_s == pytest.approx(59.9)


def test_what_does_not_verify_is_counted_and_changes_nothing(link):
    link.ask(0.0, 0, 1)
    due = link.receiver.next_deadline()
    forged = build_data(Data(7, 1, 0, Unit(1, 3, 0), b"x"), DatagramKeys(b"a", b"b"))
    assert link.receive(0.5, b"", forged) == []
    assert link.receiver.rejected == 2
    assert link.receiver.next_deadline() == due


def test_what_was_not_asked_for_is_counted_as_what_it_proves(link):
    """Beside as much as was asked for, or lost, or given up on a seek: that may come yet."""
    link.ask(0.0, 0, 8)
    for unit in (0, 5, 6, 7):
        link.data(0.1, unit, 1)
    link.receiver.forget_all()
    account = link.receiver.unasked
    answer_bytes = 100 + DATA_OVERHEAD
    assert account.useful_bytes == 4 * answer_bytes + 400, "by three that came after them, four are lost"
    assert (account._foreign, account._paths, account._pulls, account._junk_bytes) == (0, 0, 1, 0)
    link.data(0.2, 0, 1)
    assert (account._foreign, account._junk_bytes) == (0, answer_bytes + 28)
    link.data(0.2, 9, 1)
    assert (account._foreign, account._junk_bytes) == (1, 2 * (answer_bytes + 28))
    link.receive(0.3, bytes(50))
    assert account._junk_bytes == 2 * (answer_bytes + 28) + 78
    link.ask(0.4, 9, 2)
    link.receiver.forget_all()
    assert account.useful_bytes == 4 * answer_bytes + 600


def test_a_path_is_new_by_its_number(link):
    link.ask(0.0, 0, 1)
    account = link.receiver.unasked
    for path_no, paths in ((1, 1), (1, 1), (3, 2), (2, 2), (0, 2), (0xFFFFFFFF, 2), (0x80000000, 3), (0, 3)):
        link.path(0.1, path_no, path_no)
        assert account._paths == paths, path_no
    assert account._pulls == 1, "those that show a token have none for an answer"


def test_a_new_token_is_shown_at_once(link):
    """The source has what we asked for in its queue and sends it once it knows that we are here."""
    link.ask(0.0, 0, 1)
    assert link.path(0.1, 0xBB) == []
    assert link.gauge.outstanding_bytes == 100
    pull = link.pull()
    assert (pull.path_token, pull.ranges) == (0xBB, ())
    link.path(0.2, 0xBB)
    assert link.pull() is None
    assert link.data(0.2, 0, 1) == [arrived(0, 0.2)]


def test_a_new_token_is_shown_again_soon_if_nothing_comes_of_it(link):
    link.ask(0.0, 0, 1)
    for now in (1.0, 2.0, 4.0):
        link.receiver.handle_timeout(now)
    link.path(4.1, 0xBB)
    assert link.receiver.next_deadline() == pytest.approx(4.1 + 0.75)  # one and a half of the assumed 0.5 s
    link.receiver.handle_timeout(4.9)
    assert [link.pull().path_token for _ in range(5)][-2:] == [0xBB, 0xBB]


def test_what_was_not_asked_for_keeps_nobody_waiting_longer(link):
    """A source cannot hold on to what was asked by sending something else."""
    link.ask(0.0, 0, 1)
    due = link.receiver.next_deadline()
    link.path(due - 0.1, 0xAA)
    assert link.data(due - 0.1, 9, 1) == [arrived(9, None, was_asked=False)]
    assert link.receiver.next_deadline() == due
    link.receiver.handle_timeout(due)
    link.data(due + 0.1, 9, 1)
    assert link.receiver.probes_unanswered == 1
    link.data(due + 0.2, 0, 1)
    assert link.receiver.probes_unanswered == 0


def test_an_older_token_is_not_taken(link):
    """Anybody on the way may send a PATH again; its token would make the source doubt our address."""
    link.path(0.1, 0xBB, 5)
    link.path(0.2, 0xAA, 4)
    assert link.ask(0.3, 3, 1).path_token == 0xBB
    link.path(0.4, 0xCC, 5 + (1 << 31) - 1)
    link.path(0.5, 0xDD, 2)  # the numbers have gone round
    assert [pull.path_token for pull in (link.pull(), link.pull())] == [0xCC, 0xDD]
    assert link.ask(0.6, 4, 1).path_token == 0xDD


def test_silence_counts_while_something_is_outstanding(link):
    assert link.receiver.silent_s(5.0) == 0.0
    link.ask(5.0, 0, 2)
    assert link.receiver.silent_s(6.0) == 1.0
    link.data(6.0, 0, 1)
    assert link.receiver.last_heard_at == 6.0
    link.data(6.5, 1, 1)
    assert link.receiver.silent_s(9.0) == 0.0


def test_a_new_token_is_no_reason_to_ask_when_nothing_is_wanted(link):
    link.ask(0.0, 0, 1)
    link.data(0.1, 0, 1)
    link.path(0.2, 0xCC)
    assert link.pull() is None
    assert link.ask(0.3, 1, 1).path_token == 0xCC


@pytest.mark.parametrize(("hold_s", "rtt"), [(0.5, 0.0005), (6.5535, None)])
def test_holds_that_say_little(link, hold_s, rtt):
    """One longer than the round trip gives the least; one at the field's end may have been any longer one."""
    link.ask(0.0, 0, 1)
    link.data(0.4, 0, 1, payload=b"")
    assert link.data(0.4, 0, 1, hold_s=hold_s) == [arrived(0, rtt)]


def test_a_pull_that_is_long_forgotten_gives_no_round_trip(link):
    link.ask(0.0, 0, 1)
    for _ in range(1024):
        link.receiver.renew(1000, 0.1)
    assert link.data(0.2, 0, 1) == [arrived(0, None)]
    assert len(link.receiver._pulls.sent_at) == 1024


def test_pull_numbers_are_echoed_in_16_bits(link):
    link.receiver._pulls._number = 0xFFFF
    assert link.ask(0.0, 0, 1).pull_no == 0x10000
    assert link.data(0.2, 0, 0x10000) == [arrived(0, 0.2)]


# Losses


def test_a_unit_is_lost_once_three_later_ones_came(link):
    link.ask(0.0, 0, 5)
    assert link.data(0.1, 1, 1) == [arrived(1, 0.1)]
    assert link.data(0.1, 2, 1) == [arrived(2, 0.1)]
    assert link.data(0.1, 3, 1) == [arrived(3, 0.1), lost(0)]
    assert link.gauge.outstanding_bytes == 100


def test_a_gap_tells_how_many_units_more_make_it_a_loss(link):
    assert link.gauge.units_to_loss is None
    link.ask(0.0, 0, 5)
    assert link.gauge.units_to_loss is None
    link.data(0.2, 0, 1)
    assert link.gauge.units_to_loss is None
    link.data(0.2, 2, 1)
    assert link.gauge.units_to_loss == 2
    link.data(0.2, 3, 1)
    assert link.gauge.units_to_loss == 1
    link.data(0.2, 1, 1)
    assert link.gauge.units_to_loss is None
    link.data(0.2, 4, 1)
    assert link.gauge.units_to_loss is None


def test_a_lost_pull_shows_by_the_next(link):
    link.ask(0.0, 0, 3)
    link.ask(0.0, 3, 3)
    link.data(0.1, 3, 2)
    link.data(0.1, 4, 2)
    assert link.data(0.1, 5, 2) == [arrived(5, 0.1), lost(0, 1, 2)]


def test_reordering_within_two_is_no_loss(link):
    link.ask(0.0, 0, 4)
    order = [2, 1, 0, 3]
    events = [event for unit in order for event in link.data(0.1, unit, 1)]
    assert events == [arrived(unit, 0.1) for unit in order]


def test_what_still_is_outstanding_is_not_requested_anew(link):
    """After a fallback, or where a second source was asked in vain, it is wanted of this one again."""
    assert link.receiver.ask([(UnitRange(1, 3, 1, 2), [110, 120])], 1000, 0.0) == 230
    assert link.pull().ranges == (UnitRange(1, 3, 1, 2),)
    wanted = [(UnitRange(1, 3, 0, 4), [100, 110, 120, 130]), (UnitRange(1, 4, 0, 2), [10, 20])]
    assert link.receiver.ask(wanted, 1000, 0.0) == 260
    assert link.pull().ranges == (UnitRange(1, 3, 0, 1), UnitRange(1, 3, 3, 1), UnitRange(1, 4, 0, 2))
    assert link.receiver.ask([(UnitRange(1, 3, 1, 3), [110, 120, 130])], 1000, 0.0) == 0
    assert link.pull() is None
    link.receiver.forget_all()
    assert link.gauge.outstanding_bytes == 0


def test_a_unit_asked_again_is_the_newest(link):
    link.ask(0.0, 0, 4)
    for unit in (1, 2, 3):
        link.data(0.1, unit, 1)
    link.ask(0.1, 4, 3)
    link.ask(0.1, 0, 1)
    assert link.data(0.2, 0, 3) == [arrived(0, 0.1)]
    assert link.data(0.2, 4, 2) == [arrived(4, 0.1)]


def test_a_late_copy_makes_nobody_look_lost(link):
    """A unit given up too early comes after all: it says nothing of what was asked since."""
    link.ask(0.0, 0, 4)
    for unit in (1, 2, 3):
        link.data(0.1, unit, 1)
    link.ask(0.1, 4, 1)
    for again in range(3):
        link.ask(0.1, 0, 1)
        assert link.data(0.2, 0, 1) == [arrived(0, 0.2)], again
    assert link.gauge.outstanding_bytes == 100


# Silence


def test_the_end_of_a_burst_is_probed_for(link):
    link.ask(0.0, 0, 3)
    link.data(0.2, 0, 1)
    due = link.receiver.next_deadline()
    assert due == pytest.approx(0.2 + 1.5 * 0.2 + 4 * 0.1)
    link.receiver.handle_timeout(due - 0.001)
    assert link.pull() is None
    link.receiver.handle_timeout(due)
    assert link.pull().ranges == (UnitRange(1, 3, 1, 1),)
    assert link.pull() is None
    assert link.receiver.probes_unanswered == 1
    assert link.gauge.outstanding_bytes == 200
    assert link.data(due + 0.2, 1, 2) == [arrived(1, 0.2), lost(2)]
    assert link.receiver.probes_unanswered == 0
    assert link.receiver.next_deadline() is None


def test_at_the_end_all_that_is_late_is_asked_for_again(link):
    """There the link is idle, and a round trip for each loss would be all that is left to wait for."""
    link.ask(0.0, 0, 1)
    link.data(0.2, 0, 1)
    link.ask(0.3, 1, 3)
    link.receiver.is_at_end = True
    due = link.receiver.next_deadline()
    assert due == pytest.approx(0.3 + 300 / 50_000 + 0.2 + 4 * 0.1), (
        "since it was asked, not since the last came"
    )
    link.receiver.handle_timeout(due)
    assert [r.first for r in link.pull().ranges] == [1, 2, 3]
    assert link.receiver.next_deadline() == pytest.approx(due + 1.0), (
        "what was asked anew is not reckoned with"
    )
    link.receiver.handle_timeout(link.receiver.next_deadline())
    assert [r.first for r in link.pull().ranges] == [1], "not all of it again and again"
    link.data(due + 1.2, 1, 4)
    assert link.gauge.outstanding_bytes == 0


def test_at_the_end_of_a_slow_link_what_is_asked_for_has_the_time_that_it_takes(link):
    """And half a round trip, since the last came: the pace may be faster than the link."""
    link.ask(0.0, 0, 1)
    link.data(0.2, 0, 1)
    for _ in range(40):  # steady
        link.ask(1.0, 0, 1)
        link.data(1.2, 0, link.receiver._pulls._number)
    link.ask(2.0, 1, 3)
    link.receiver.is_at_end = True
    late_s = 0.1
    assert link.receiver.next_deadline() == pytest.approx(2.0 + 300 / 50_000 + 0.2 + late_s, abs=1e-4)
    link.data(2.5, 1, link.receiver._pulls._number)
    assert link.receiver.next_deadline() == pytest.approx(2.5 + max(late_s, 4 * link.gauge.rtt.variation_s))


def test_a_move_probes_at_once_and_begins_to_count_anew(link):
    link.receiver.on_moved(0.0)
    assert link.pull() is None, "nothing is wanted"
    link.ask(0.0, 0, 3)
    link.data(0.1, 0, 1)
    for _ in range(4):
        link.receiver.handle_timeout(link.receiver.next_deadline())
        link.pull()
    due = link.receiver.next_deadline()
    link.receiver.on_moved(due - 0.9)
    assert link.pull().ranges == (UnitRange(1, 3, 1, 1),)
    assert link.receiver.next_deadline() < due


def test_a_probe_answered_by_a_second_copy_shows_losses_too(link):
    link.ask(0.0, 0, 3)
    link.data(0.2, 2, 1)
    link.receiver.handle_timeout(0.91)
    assert link.data(0.95, 0, 1) == [arrived(0, 0.95)]
    assert link.data(1.1, 0, 2) == [arrived(0, None, was_asked=False), lost(1)]


def test_each_probe_counts_and_only_once(link):
    link.ask(0.0, 0, 4)
    link.receiver.handle_timeout(0.75)
    link.receiver.handle_timeout(1.75)
    assert [link.pull().ranges[0].first, link.pull().ranges[0].first] == [0, 1]
    assert link.data(1.8, 0, 2) == [arrived(0, None), lost(2, 3)]
    assert link.data(1.85, 0, 2) == [arrived(0, None, was_asked=False)]
    assert link.data(1.9, 1, 3) == [arrived(1, None)]


def test_probes_back_off_to_one_a_second_and_then_to_one_in_eight(link):
    link.ask(0.0, 0, 1)
    link.data(0.1, 0, 1)
    link.ask(1.0, 1, 2)
    times = []
    for _ in range(10):
        times.append(link.receiver.next_deadline())
        link.receiver.handle_timeout(times[-1])
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == pytest.approx([0.7, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0])
    assert link.receiver.probes_unanswered == 10


def test_while_answers_to_earlier_probes_may_come_there_is_no_further_one(link):
    """After a silence the queue holds a copy for each of them: here half a second apart, on a thin link."""
    link.ask(0.0, 0, 1)
    link.data(0.1, 0, 1)
    link.ask(1.0, 1, 20)
    for _ in range(5):  # pulls 3 to 7, for units 1 to 5
        link.receiver.handle_timeout(link.receiver.next_deadline())
    for unit in range(6, 12):
        link.data(20.0 + unit / 2, unit, 2)
    link.data(26.0, 2, 4)
    thin_s = 2 * link.receiver._interval_s
    assert link.receiver.next_deadline() == pytest.approx(26.0 + 0.1 + 4 * thin_s)
    link.ask(26.2, 30, 1)
    link.data(26.5, 5, 7)
    thin_s = 2 * link.receiver._interval_s
    assert link.receiver.next_deadline() == pytest.approx(26.5 + 0.1 + thin_s)


def test_on_a_link_without_delay_a_probe_waits_50_ms(link):
    link.ask(0.0, 0, 1)
    for _ in range(100):
        link.ask(0.0, 1, 1)
        link.data(0.0, 1, 1)
    assert link.receiver.next_deadline() == pytest.approx(0.0505)


def test_before_the_first_round_trip_half_a_second_is_assumed(link):
    assert link.receiver.next_deadline() is None
    link.receiver.handle_timeout(100.0)
    link.ask(5.0, 0, 1)
    assert link.receiver.next_deadline() == pytest.approx(5.75)


def test_what_a_dead_zone_held_gives_no_round_trip(link):
    link.ask(0.0, 0, 5)
    link.data(0.1, 0, 1)
    for _ in range(5):
        link.receiver.handle_timeout(link.receiver.next_deadline())
    assert link.data(8.0, 1, 1) == [arrived(1, None)]
    assert link.data(8.1, 2, 1) == [arrived(2, None)]
    link.ask(8.1, 9, 1)
    assert link.data(8.2, 9, 7)[0] == arrived(9, 0.1)
    assert link.gauge.rtt.mean_s == pytest.approx(0.1)


def test_a_rest_between_bursts_is_no_dead_zone(link):
    link.ask(0.0, 0, 1)
    link.data(0.1, 0, 1)
    link.ask(60.0, 1, 1)
    assert link.data(60.1, 1, 2) == [arrived(1, 0.1)]


# Seeking


def test_a_new_epoch_forgets_what_was_asked(link):
    link.ask(0.0, 0, 3)
    link.receiver.handle_timeout(0.75)
    link.pull()
    assert link.gauge.outstanding_bytes == 300
    link.receiver.forget_all()
    assert link.gauge.outstanding_bytes == 0
    assert link.receiver.next_deadline() is None
    assert link.data(0.8, 0, 2) == [arrived(0, None, was_asked=False)]
    pull = link.ask(1.0, 0, 1, segment=9)
    assert (pull.epoch, pull.pull_no) == (1, 3)


def test_epochs_go_round(link):
    for _ in range(256):
        link.receiver.forget_all()
    assert link.ask(0.0, 0, 1).epoch == 0


# Against a link


chance = st.floats(0.0, 0.25)


@given(chance, chance, chance, st.floats(0.0, 0.08), st.integers(0, 1 << 32))
@settings(max_examples=25)
def test_whatever_the_link_does_every_unit_comes(loss, up_loss, duplicate, jitter_s, seed):
    """`Download` checks besides that nothing is lost, or comes, that was not outstanding."""
    link = Link(
        [(0, 1e6)], 0.1, loss=loss, up_loss=up_loss, duplicate=duplicate, jitter_s=jitter_s, seed=seed
    )
    download = Download(link, total=80).run(300.0)
    assert len(download.got) == 80
    assert not download.asked
    assert download.bandwidth.outstanding_bytes == 0
    assert download.receiver.next_deadline() is None


def test_without_losses_nothing_is_sent_twice():
    download = Download(Link([(0, 1e6)], 0.1), total=500).run(60.0)
    assert len(download.got) == 500
    assert download.lost == []
    assert download.duplicates == 0
    assert len(download.pulls) < 500 / 2


def test_a_random_loss_costs_about_one_more_datagram_each():
    download = Download(Link([(0, 1e6)], 0.1, loss=0.02), total=1000).run(60.0)
    assert len(download.got) == 1000
    assert 10 <= len(download.lost) <= 40
    assert download.duplicates <= 2


def test_on_a_path_of_more_than_a_second_the_first_answer_gives_a_round_trip():
    """It comes after a silence that would elsewhere be an outage."""
    link = Harness(first_rtt_s=1.2)
    link.ask(0.0, 0, 2)
    assert link.data(1.3, 0, 1) == [arrived(0, 1.3)]
    assert link.gauge.rtt.mean_s == pytest.approx(1.3)


@pytest.mark.parametrize("is_at_end", [False, True])
def test_a_server_that_sends_slower_than_it_is_asked_to_is_not_probed(link, is_at_end):
    """It shares out its uplink, and says how long it held each unit, so that the round trip stays short."""
    asked = link.ask(0.0, 0, 40, size=MAX_PAYLOAD)
    link.receiver.is_at_end = is_at_end
    for unit in range(39):
        now = 0.02 + 0.15 * unit
        if unit > 8:  # its rate is known
            assert link.receiver.next_deadline() > now, unit
        link.data(now, unit, asked.pull_no, hold_s=0.15 * unit, payload=b"x" * MAX_PAYLOAD)
    assert 0.15 < link.receiver.next_deadline() - now < 0.6, "the last is lost"


def test_the_first_unit_after_a_pause_says_nothing_of_the_servers_rate(link):
    asked = link.ask(0.0, 0, 1)
    link.data(0.1, 0, asked.pull_no)
    before = link.receiver._interval_s
    asked = link.ask(50.0, 1, 2)
    link.data(50.9, 1, asked.pull_no)
    assert link.receiver._interval_s == before == 0.0
    link.data(50.98, 2, asked.pull_no)
    assert link.receiver._interval_s == pytest.approx(0.01)
