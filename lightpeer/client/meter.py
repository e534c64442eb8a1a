"""Counts the bytes of a client against the caps of its profile, and stops it when one is used up.

All bytes of the process's network count, in both directions, under the profile in force. The meter sleeps
until there is traffic. Then it looks in time for the next mark of a cap, and adds what was used to the file
of the state at most once a minute, and at the end. Each time it also sees which network this is, and so
which profile holds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import trio

from lightpeer.core.budget.profile import AUTO, all_profiles, limits_of, name_for
from lightpeer.core.budget.standing import State, standing_of
from lightpeer.errors import CapReachedError
from lightpeer.state.usage import UsageFile, local_time_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from lightpeer.config import Settings
    from lightpeer.core.budget.profile import Limits, Profile
    from lightpeer.core.budget.standing import Standing
    from lightpeer.net.network import Network
    from lightpeer.state.files import Losses

SAVE_AGAIN_S: Final = 60.0  # each write wears out a memory card
FASTEST_BYTES_PER_S: Final = 12_500_000  # of a link, so that a cap is not passed unseen for long
LEAST_LOOK_S: Final = 0.1
MOST_LOOK_S: Final = 5.0


def profile_of(settings: Settings, network: Network) -> Profile:
    """Return the profile that holds now: the one chosen by name, else the network's."""
    name = settings.profile
    if name == AUTO:
        name = name_for(network.way_out(), dict(settings.networks))
    profile = all_profiles(settings.profiles)[name]
    # What was asked for by name is what the listener wants.
    if settings.bitrate_kbps is not None:
        profile = replace(profile, top_kbps=None)
    if settings.buffer_bytes is not None:
        profile = replace(profile, buffer_kb=settings.buffer_bytes // 1000)
    return profile


class Meter:
    """The account of one client.

    Attributes:
        profile: the one in force.
        limits: what playing keeps to now.
    """

    def __init__(self, settings: Settings, network: Network, before_bytes: int, losses: Losses) -> None:
        """Read the account.

        Args:
            settings: profile and state directory.
            network: whose bytes count.
            before_bytes: those that it had carried before, which do not.
            losses: reports that the account cannot be saved.
        """
        self._settings, self._network = settings, network
        self._file = UsageFile(settings.state_dir, losses)
        self._usage = self._file.load()
        self._added_bytes = before_bytes
        self._state = State.NORMAL
        self.profile = profile_of(settings, network)
        self.limits: Limits = limits_of(self.profile)
        self._on_slowed: Callable[[str], None] = lambda _sentence: None

    @property
    def left_bytes(self) -> float | None:
        """What is left of the nearest cap; None without caps."""
        nearest = self._standing().nearest
        return nearest.left_bytes if nearest else None

    def look(self) -> None:
        """See how the account stands, and raise CapReachedError if a cap is used up."""
        standing = self.see()
        if self._state is State.OVER:
            raise CapReachedError(standing.sentence())

    def see(self) -> Standing:
        """See how the account stands; what is kept may be heard, however it does."""
        standing = self._standing()
        before, self._state = self._state, standing.state
        self.limits = standing.limits
        if self._state is State.SLOW and before is State.NORMAL:
            self._on_slowed(standing.sentence())
        return standing

    def watch(self, on_slowed: Callable[[str], None]) -> None:
        """Tell in a sentence when a cap is near, at once if it is already."""
        self._on_slowed = on_slowed
        if self._state is State.SLOW:
            on_slowed(self._standing().sentence())

    async def run(self) -> None:
        """Count until cancelled.

        Raises:
            CapReachedError: a cap is used up.
        """
        counters, seen_bytes = self._network.counters, self._added_bytes
        while True:
            await counters.wait_beyond(seen_bytes)
            with trio.move_on_after(SAVE_AGAIN_S):
                while True:
                    await trio.sleep(self._look_s())
                    looked_bytes = counters.total_bytes()
                    self.look()
                    await counters.wait_beyond(looked_bytes)
            seen_bytes = counters.total_bytes()
            await trio.to_thread.run_sync(self.save)  # a memory card takes its time
            self.profile = profile_of(self._settings, self._network)
            self.look()

    def save(self) -> None:
        """Add what was used to the file."""
        total_bytes = self._total_bytes()
        more_bytes = total_bytes - self._added_bytes
        if more_bytes <= 0:
            return
        usage = self._file.add(self.profile.name, more_bytes, self._clock_s())
        if usage is not None:
            self._usage, self._added_bytes = usage, total_bytes

    def _look_s(self) -> float:
        """Return how long the next look may wait while bytes come."""
        standing = self._standing()
        if standing.state is State.OVER:  # since the last look
            return LEAST_LOOK_S
        next_bytes = standing.next_bytes
        if math.isinf(next_bytes):
            return math.inf
        return min(max(next_bytes / FASTEST_BYTES_PER_S, LEAST_LOOK_S), MOST_LOOK_S)

    def _standing(self) -> Standing:
        more_bytes = max(0, self._total_bytes() - self._added_bytes)
        return standing_of(self.profile, self._usage, more_bytes, self._clock_s())

    def _clock_s(self) -> float:
        return local_time_s(self._network.unix_time())

    def _total_bytes(self) -> int:
        return self._network.counters.total_bytes()
