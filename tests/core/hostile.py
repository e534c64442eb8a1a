"""What a parser of network bytes must survive: every cut, junk behind, every bit flipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lightpeer.errors import BadMessageError, VerificationError

REFUSALS = (BadMessageError, VerificationError)


def variants(data: bytes) -> Iterator[bytes]:
    """Yield the bytes cut at each place, with junk behind, and with each bit flipped."""
    for end in range(len(data)):
        yield data[:end]
    for junk in (b"\x00", b"\xff", b"\x7a\x00", data):
        yield data + junk
        yield junk + data
    for place in range(len(data)):
        for bit in range(8):
            yield data[:place] + bytes((data[place] ^ 1 << bit,)) + data[place + 1 :]


def refuses_all(parse: Callable[[bytes], object], data: bytes) -> None:
    """Check that `parse` takes `data` and refuses each of its variants."""
    parse(data)
    for variant in variants(data):
        assert is_refused(parse, variant), variant.hex()


def is_refused(parse: Callable[[bytes], object], data: bytes) -> bool:
    """Tell whether `parse` refuses the bytes; whatever else it raises goes through."""
    try:
        parse(data)
    except REFUSALS:
        return True
    return False
