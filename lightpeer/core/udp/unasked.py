"""Traffic from a source's address that was not requested, and what follows from it.

A metered link pays for it. Not all of it is the source's doing: anybody can send junk in its name, and
anybody on the path can repeat a datagram. So the account goes by what proves the sender. A unit outside the
ranges of the PULL that it answers, and a new PATH without a PULL that it could answer, bear the source's tag.
An honest source sends neither, so a few of them prove a liar. The sender of everything else is unknown. When
there is more of that than of requested traffic, we move to another port, which only the source and observers
of the path can learn. If that does not end it, this source is of no use.

Call order: `on_pull` for each PULL, `on_data` and `on_path` for what verifies, `on_junk` for what
does not; then `judge` says what to do. Tell `on_moved` once that was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from lightpeer.core.udp.datagram import Data, UnitRange

SPARE_BYTES: Final = 128 * 1024  # for each port, beside as much as was requested: no network repeats so much
MOVES: Final = 2  # to another port, before we leave a source
MOST_BREACHES: Final = 64  # a source may send so many datagrams with its tag that no honest one sends
PULLS_KNOWN: Final = 128  # an answer comes within a round trip or two
_HEADERS_BYTES: Final = 28  # of IPv4 and UDP
_CUT_BYTES: Final = 2048  # a datagram is cut there when it is received, and may have been as long as
_LARGEST_BYTES: Final = 0xFFFF


class Conduct(Enum):
    """How a source behaves, and so what to do about it."""

    BEAR = auto()  # nothing
    MOVE = auto()  # take another port at once, and nothing more from the present one
    LEAVE = auto()  # drop the source: somebody floods us in its name wherever we are
    LIE = auto()  # drop it as a liar: only the source can have sent that


class Unasked:
    """The account of one UDP stream; see the module's docstring.

    Attributes:
        useful_bytes: that came as requested, or were given up and may come yet; for the receiver to add to.
        is_pending: whether something that was not asked for came since the last `judge`.
    """

    def __init__(self) -> None:
        self.useful_bytes = 0
        self.is_pending = False
        self._asked: dict[int, Sequence[UnitRange]] = {}  # by the low bits of a PULL's number
        self._pulls = 0  # that a PATH may answer
        self._paths = 0
        self._foreign = 0
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

    def on_data(self, data: Data, size: int) -> None:
        """Note any other unit: a copy, one that its PULL did not request, or of a PULL that is forgotten."""
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
        """Note the size in bytes of a datagram that anybody may have sent."""
        self.is_pending = True
        if not self._is_moving:
            self._junk_bytes += _HEADERS_BYTES + (size if size < _CUT_BYTES else _LARGEST_BYTES)

    def on_moved(self) -> None:
        """Note that nothing comes to the former port any more."""
        self._is_moving = False

    def judge(self) -> Conduct:
        """Return what to do; MOVE is returned once before each `on_moved`."""
        self.is_pending = False
        if self._foreign > MOST_BREACHES or self._paths > self._pulls + MOST_BREACHES:
            return Conduct.LIE
        allowed_bytes = self.useful_bytes + SPARE_BYTES * (1 + self._moves)
        if self._is_moving or self._junk_bytes <= allowed_bytes:
            return Conduct.BEAR
        if self._moves == MOVES:
            return Conduct.LEAVE
        self._moves += 1
        self._is_moving = True
        return Conduct.MOVE
