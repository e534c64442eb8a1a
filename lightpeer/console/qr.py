"""QR codes of short texts, to be shown on a terminal: byte mode, error correction level L, versions 1 to 10.

The text becomes code words, and these get check words of a Reed-Solomon code, in blocks that are interleaved.
They fill the modules that the fixed patterns leave free, in columns of two, upwards and downwards. Of eight
masks the one is taken that spreads dark and light best. A text of up to 271 bytes fits.

Source: ISO/IEC 18004:2015; clause and table numbers below are its.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Matrix: TypeAlias = list[list[bool]]
"""Rows of modules; True is dark."""

MAX_BYTES: Final = 271
QUIET: Final = 2  # light modules around it; clause 5.3.8 has 4, and readers of screens need no more than this
_CHECK_WORDS: Final = (7, 10, 15, 20, 26, 18, 20, 24, 30, 18)  # of each block, by version (table 9)
_BLOCKS: Final = (1, 1, 1, 1, 1, 2, 2, 2, 2, 4)
_WORDS: Final = (26, 44, 70, 100, 134, 172, 196, 242, 292, 346)  # of data and checks together
_CENTRES: Final = (  # of the alignment patterns (annex E)
    *((), (6, 18), (6, 22), (6, 26), (6, 30), (6, 34), (6, 22, 38), (6, 24, 42), (6, 26, 46), (6, 28, 50)),
)
_MASKS: Final = (  # table 10: rows and columns
    lambda r, c: (r + c) % 2,
    lambda r, _: r % 2,
    lambda _, c: c % 3,
    lambda r, c: (r + c) % 3,
    lambda r, c: (r // 2 + c // 3) % 2,
    lambda r, c: r * c % 2 + r * c % 3,
    lambda r, c: (r * c % 2 + r * c % 3) % 2,
    lambda r, c: ((r + c) % 2 + r * c % 3) % 2,
)
_LIKE_FINDERS: Final = (  # clause 7.8.3.1: dark and light as in a finder pattern, and four light modules
    (True, False, True, True, True, False, True, False, False, False, False),
    (False, False, False, False, True, False, True, True, True, False, True),
)


def qr_lines(text: str) -> list[str]:
    """Return a QR code as lines of half blocks, for a terminal with light text on dark.

    Raises:
        ValueError: the text is too long.
    """
    matrix = qr_matrix(text.encode())
    width = len(matrix) + 2 * QUIET
    light = [False] * width
    rows = (
        [light] * QUIET + [[False] * QUIET + row + [False] * QUIET for row in matrix] + [light] * (QUIET + 1)
    )
    pairs = zip(rows[: width + 1 : 2], rows[1 : width + 1 : 2], strict=True)
    return ["".join("█▀▄ "[2 * above + below] for above, below in zip(*pair, strict=True)) for pair in pairs]


def qr_matrix(data: bytes) -> Matrix:
    """Return the modules of a QR code.

    Raises:
        ValueError: there are more than 271 bytes.
    """
    version = next((v for v in range(1, 11) if _data_words(v) >= len(data) + 2 + (v > 9)), 0)
    if not version:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    fixed = _fixed(version)
    bits = _bits(_interleaved(_words(data, version), version))
    size = 17 + 4 * version
    blank = [[False] * size for _ in range(size)]
    for row, column in _way(size, fixed):
        blank[row][column] = next(bits, False)
    return min((_masked(blank, fixed, mask) for mask in range(8)), key=_penalty)


def _data_words(version: int) -> int:
    return _WORDS[version - 1] - _BLOCKS[version - 1] * _CHECK_WORDS[version - 1]


def _words(data: bytes, version: int) -> bytes:
    """Return the code words of the data: the mode, the length, the bytes, and padding."""
    length_bits = 16 if version > 9 else 8
    value = (0b0100 << length_bits | len(data)) << 8 * len(data) | int.from_bytes(data, "big")
    bits = 4 + length_bits + 8 * len(data)
    words = (value << 4).to_bytes((bits + 4) // 8, "big")  # four zeros end the data
    padding = bytes((0xEC, 0x11)) * _data_words(version)
    return (words + padding)[: _data_words(version)]


def _interleaved(words: bytes, version: int) -> bytes:
    """Return the data words of all blocks in turns, and then their check words."""
    count = _BLOCKS[version - 1]
    short = len(words) // count
    longer = len(words) % count  # the last blocks have a word more
    sizes = [short + (number >= count - longer) for number in range(count)]
    blocks = [words[sum(sizes[:number]) : sum(sizes[: number + 1])] for number in range(count)]
    checks = [_check_words(block, _CHECK_WORDS[version - 1]) for block in blocks]
    turns = [block[at] for at in range(short + 1) for block in blocks if at < len(block)]
    return bytes(turns) + bytes(check[at] for at in range(len(checks[0])) for check in checks)


def _times(one: int, other: int) -> int:
    """Multiply in the field of 256 elements, modulo x^8 + x^4 + x^3 + x^2 + 1."""
    product = 0
    for bit in range(7, -1, -1):
        product = product << 1 ^ (product >> 7) * 0x11D ^ (other >> bit & 1) * one
    return product


def _check_words(block: bytes, count: int) -> bytes:
    """Return the remainder of a block by the generator, the product of (x - 2^i)."""
    generator, root = [1], 1
    for _ in range(count):
        shifted = [*generator, 0]
        generator = [a ^ _times(root, b) for a, b in zip(shifted, [0, *generator], strict=True)]
        root = _times(root, 2)
    remainder = [0] * count
    for word in block:
        factor = word ^ remainder[0]
        remainder = [*remainder[1:], 0]
        remainder = [a ^ _times(factor, b) for a, b in zip(remainder, generator[1:], strict=True)]
    return bytes(remainder)


def _bits(words: bytes) -> Iterator[bool]:
    return (bool(word >> bit & 1) for word in words for bit in range(7, -1, -1))


def _way(size: int, fixed: dict[tuple[int, int], bool]) -> Iterator[tuple[int, int]]:
    """Yield the free modules in the order of the bits (clause 7.7.3)."""
    upwards = True
    for right in (*range(size - 1, 6, -2), *range(5, 0, -2)):  # column 6 has the timing pattern
        for row in range(size - 1, -1, -1) if upwards else range(size):
            yield from ((row, column) for column in (right, right - 1) if (row, column) not in fixed)
        upwards = not upwards


def _fixed(version: int) -> dict[tuple[int, int], bool]:
    """Return the modules that do not depend on the data; those of the format are dark or light later."""
    size = 17 + 4 * version
    fixed = {(6, at): at % 2 == 0 for at in range(size)} | {(at, 6): at % 2 == 0 for at in range(size)}
    centres = _CENTRES[version - 1]
    for row in centres:
        for column in centres:
            if (row, column) not in {(6, 6), (6, size - 7), (size - 7, 6)}:
                fixed |= _square(row, column, 2, {1})
    for row, column in ((3, 3), (3, size - 4), (size - 4, 3)):
        finder = _square(row, column, 4, {2, 4})
        fixed |= {at: dark for at, dark in finder.items() if 0 <= min(at) <= max(at) < size}
    fixed |= {at: False for places in _format_places(size) for at in places} | {(size - 8, 8): True}
    return fixed | (_version_bits(version, size) if version > 6 else {})


def _version_bits(version: int, size: int) -> dict[tuple[int, int], bool]:
    """Return the modules that state the version, above and beside the finders."""
    number = version << 12 | _remainder(version, 12, 0x1F25)
    bits: dict[tuple[int, int], bool] = {}
    for bit in range(18):
        row, column = bit // 3, size - 11 + bit % 3
        bits[row, column] = bits[column, row] = bool(number >> bit & 1)
    return bits


def _square(row: int, column: int, radius: int, light: set[int]) -> dict[tuple[int, int], bool]:
    """Return rings around a module, of which some are light."""
    span = range(-radius, radius + 1)
    return {(row + y, column + x): max(abs(x), abs(y)) not in light for y in span for x in span}


def _format_places(size: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the two places of each bit of the format, the lowest bit first (figure 25)."""
    one = [(at, 8) for at in (0, 1, 2, 3, 4, 5, 7, 8)] + [(8, at) for at in (7, 5, 4, 3, 2, 1, 0)]
    other = [(8, size - 1 - at) for at in range(8)] + [(size - 7 + at, 8) for at in range(7)]
    return one, other


def _remainder(value: int, bits: int, generator: int) -> int:
    """Return the check bits of a BCH code."""
    value <<= bits
    while value.bit_length() > bits:
        value ^= generator << value.bit_length() - bits - 1
    return value


def _masked(blank: Matrix, fixed: dict[tuple[int, int], bool], mask: int) -> Matrix:
    matrix = [
        [fixed.get((r, c), dark ^ (_MASKS[mask](r, c) == 0)) for c, dark in enumerate(row)]
        for r, row in enumerate(blank)
    ]
    number = 0b01 << 3 | mask  # level L
    number = (number << 10 | _remainder(number, 10, 0x537)) ^ 0x5412
    for places in _format_places(len(matrix)):
        for bit, (row, column) in enumerate(places):
            matrix[row][column] = bool(number >> bit & 1)
    return matrix


def _penalty(matrix: Matrix) -> int:
    """Return how badly dark and light are spread (clause 7.8.3.1)."""
    lines = [*matrix, *(list(column) for column in zip(*matrix, strict=True))]
    runs = sum(_run_penalty(len(list(run))) for line in lines for _, run in groupby(line))
    blocks = sum(
        3 * (a[at] == a[at + 1] == b[at] == b[at + 1])
        for a, b in pairwise(matrix)
        for at in range(len(a) - 1)
    )
    finders = sum(
        40 * (tuple(line[at : at + 11]) in _LIKE_FINDERS) for line in lines for at in range(len(line) - 10)
    )
    dark = sum(map(_count, matrix))
    return runs + blocks + finders + 10 * int(abs(20 * dark / len(matrix) ** 2 - 10))


def _run_penalty(length: int) -> int:
    return length - 2 if length >= 5 else 0


def _count(row: Iterable[bool]) -> int:
    return sum(row)
