"""What comes from a source's address without having been asked for, and what follows from it.

A metered link pays for it. Not all of it is the source's doing: anybody can send junk in its name, and
whoever sees a datagram can send it again. So it is told apart by what proves its sender. A unit that the PULL
which it answers did not ask for, and a PATH that is new where there was no PULL that it could answer, bear
the source's tag: an honest one sends none of these, so that a few make a liar. All else is nobody's for sure.
When there is more of it than of what was asked for, we move to another port, which the source alone is told,
and whoever watches the path; where that does not end it, this source is of no use.

Call order: `on_pull` for each PULL, `on_asked`, `on_data` and `on_path` for what verifies, `on_junk` for what
does not; `judge` then says what to do, and `on_moved` is told when that was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from lightpeer.core.udp.datagram import Data, UnitRange

SPARE_BYTES: Final = 128 * 1024  # beyond as much as was asked for, for each port: no network repeats so much
MOVES: Final = 2  # to another port, before a source is left
MOST_BREACHES: Final = 64  # that bear the source's tag
PULLS_KNOWN: Final = 128  # what they asked for; an answer comes within a round trip or two
_HEADERS_BYTES: Final = 28  # of IPv4 and UDP
_CUT_BYTES: Final = 2048  # as long as a datagram is received; it may have been as long as
_LARGEST_BYTES: Final = 0xFFFF


class Conduct(Enum):
    """What to do about a source."""

    BEAR = auto()
    MOVE = auto()  # to another port, at once: what still comes to the present one is nobody's
    LEAVE = auto()  # it, or whoever sends in its name, floods us wherever we are
    LIE = auto()  # it does, and it alone can have


class Unasked:
    """The account of one UDP stream; see the module's docstring."""

    def __init__(self) -> None:
        self._asked: dict[int, Sequence[UnitRange]] = {}  # by the low bits of a PULL's number
        self._pulls = 0  # that a PATH may answer
        self._paths = 0
        self._foreign = 0
        self._useful_bytes = 0
        self._junk_bytes = 0
        self._moves = 0
        self._is_moving = False

    def on_pull(self, pull_no: int, ranges: Sequence[UnitRange], *, shows_token: bool) -> None:
        """Note a PULL, by the low bits of its number; one that shows a token has no PATH for an answer."""
        self._asked.pop(pull_no, None)
        self._asked[pull_no] = ranges
        self._pulls += not shows_token
        if len(self._asked) > PULLS_KNOWN:
            del self._asked[next(iter(self._asked))]

    def on_asked(self, size: int) -> None:
        """Note in bytes what came as it was asked for, or was given up and may come yet."""
        self._useful_bytes += size

    def on_data(self, data: Data, size: int) -> None:
        """Note any other unit: it came before, its PULL did not ask for it, or that is forgotten."""
        rendition, segment, unit = data.unit
        ranges = self._asked.get(data.pull_no)
        if ranges is not None and not any(
            (r.rendition, r.segment) == (rendition, segment) and r.first <= unit < r.first + r.units
            for r in ranges
        ):
            self._foreign += 1
        self.on_junk(size)

    def on_path(self, size: int, *, is_new: bool) -> None:
        """Note a PATH; `is_new` if its number is greater than that of each before."""
        self._paths += is_new
        self.on_junk(size)

    def on_junk(self, size: int) -> None:
        """Note the size in bytes of what anybody may have sent."""
        if not self._is_moving:
            self._junk_bytes += _HEADERS_BYTES + (size if size < _CUT_BYTES else _LARGEST_BYTES)

    def on_moved(self) -> None:
        """Note that nothing comes to the former port any more."""
        self._is_moving = False

    def judge(self) -> Conduct:
        """Return what to do; MOVE once for each time that `on_moved` is told."""
        if self._foreign > MOST_BREACHES or self._paths > self._pulls + MOST_BREACHES:
            return Conduct.LIE
        allowed_bytes = self._useful_bytes + SPARE_BYTES * (1 + self._moves)
        if self._is_moving or self._junk_bytes <= allowed_bytes:
            return Conduct.BEAR
        if self._moves == MOVES:
            return Conduct.LEAVE
        self._moves += 1
        self._is_moving = True
        return Conduct.MOVE
