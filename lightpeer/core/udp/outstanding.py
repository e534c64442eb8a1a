"""What was asked of one source over UDP and has neither come nor been given up, in bytes.

The `Receiver` knows each unit, so it alone writes the sum; the `Flow` of the same source reads it. With
a second sum, kept by adding up events, a unit that was asked for twice would count twice, and a window
that seems full stays full.
"""

from __future__ import annotations


class Outstanding:
    """The sum, `size_bytes`."""

    __slots__ = ("size_bytes",)

    def __init__(self) -> None:
        self.size_bytes = 0
