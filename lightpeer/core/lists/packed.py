"""Sets of strings of one size that take little more memory than the strings do.

Python's own set takes over a hundred bytes for an id of twenty. Here the strings are sorted and joined into
blocks of about a thousand: a lookup bisects the blocks' first strings, then the block.

A set is made in batches. Each is sorted and kept as a run, in small blocks. In the end all runs are merged,
least strings first, and merged parts are freed at once. So making a set takes the memory
of the set and of one batch, for any order of the strings, and each string is sorted twice only.

Call order: `update` as often as wanted, `flushing` to its end, then look up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator
from typing import Final

BLOCK: Final = 1024  # strings: ten steps of bisection, and small enough to fit into freed memory
BATCH: Final = 16_384  # strings to sort at once: 1 MB, and some milliseconds
RUN_BLOCK: Final = 128  # strings of each run that are Python objects during a merge


class PackedSet:
    """A set of byte strings of one size."""

    def __init__(self, size_bytes: int) -> None:
        """Begin an empty set of strings of `size_bytes` each."""
        self._size = size_bytes
        self._blocks: list[bytes] = []
        self._firsts: list[bytes] = []  # of each block
        self._batch: list[bytes] = []
        self._runs: list[list[bytes]] = []  # blocks, those with the greatest strings first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """Yield the strings in rising order."""
        for block in self._blocks:
            yield from self._strings(block)

    def __contains__(self, string: bytes) -> bool:
        return self.floor(string) == string

    def update(self, strings: Collection[bytes]) -> None:
        """Add strings; `flushing` must follow before they are looked up."""
        self._batch += strings
        if len(self._batch) >= BATCH:
            self._end_run()

    def flushing(self) -> Iterator[None]:
        """Merge the added strings, in short steps; look nothing up meanwhile."""
        if self._batch:
            self._end_run()
            yield
        if not self._runs:
            return
        runs, self._runs = [*self._runs, self._blocks[::-1]], []
        self._blocks, self._firsts, self._count = [], [], 0
        waiting: list[bytes] = []
        for strings in self._merged(runs):
            waiting += strings
            while len(waiting) >= BLOCK:
                self._append(waiting[:BLOCK])
                del waiting[:BLOCK]
                yield
        if waiting:
            self._append(waiting)

    def floor(self, string: bytes) -> bytes | None:
        """Return the greatest that is not above a string, or None."""
        number = bisect_right(self._firsts, string) - 1
        if number < 0:
            return None
        block, size = self._blocks[number], self._size
        low, high = 0, len(block) // size
        while low < high:
            middle = (low + high) // 2
            if block[middle * size : middle * size + size] <= string:
                low = middle + 1
            else:
                high = middle
        return block[low * size - size : low * size]

    def _end_run(self) -> None:
        strings, self._batch = sorted(set(self._batch)), []
        starts = range(0, len(strings), RUN_BLOCK)
        self._runs.append([b"".join(strings[at : at + RUN_BLOCK]) for at in reversed(starts)])

    def _merged(self, runs: list[list[bytes]]) -> Iterator[list[bytes]]:
        """Empty some runs, and yield their strings in rising order, each once."""
        heads: list[list[bytes]] = [[] for _ in runs]  # the next strings of each run
        while True:
            self._refill(heads, runs)
            greatest = min((head[-1] for head in heads if head), default=None)
            if greatest is None:
                return
            least: list[bytes] = []
            for head in heads:
                end = bisect_right(head, greatest)  # the heads hold all strings up to it
                least += head[:end]
                del head[:end]
            least.sort()
            yield list(dict.fromkeys(least))

    def _refill(self, heads: list[list[bytes]], runs: list[list[bytes]]) -> None:
        for number, run in enumerate(runs):
            if run and not heads[number]:
                heads[number] = self._strings(run.pop())

    def _append(self, strings: list[bytes]) -> None:
        self._blocks.append(b"".join(strings))
        self._firsts.append(strings[0])
        self._count += len(strings)

    def _strings(self, block: bytes) -> list[bytes]:
        return [block[at : at + self._size] for at in range(0, len(block), self._size)]
