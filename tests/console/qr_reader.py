"""Reads a QR code as a scanner does after it has found the grid; written from the standard, not our code.

It knows the format by its own table of masks, walks the free modules, takes the blocks apart, and checks each
with the syndromes of its Reed-Solomon code. Byte mode at level L only. Source: ISO/IEC 18004:2015.
"""

from __future__ import annotations

Grid = list[list[bool]]

FORMATS = {  # table C.1: the format bits of level L, by mask
    0b111011111000100: 0,
    0b111001011110011: 1,
    0b111110110101010: 2,
    0b111100010011101: 3,
    0b110011000101111: 4,
    0b110001100011000: 5,
    0b110110001000001: 6,
    0b110100101110110: 7,
}
BLOCKS = {  # table 9, level L: the data words of each block, and the check words of each
    1: ([19], 7),
    2: ([34], 10),
    3: ([55], 15),
    4: ([80], 20),
    5: ([108], 26),
    6: ([68, 68], 18),
    7: ([78, 78], 20),
    8: ([97, 97], 24),
    9: ([116, 116], 30),
    10: ([68, 68, 69, 69], 18),
}
ALIGNED = {7: 22, 8: 24, 9: 26, 10: 28}  # annex E: the middle centre, of versions that have one
VERSIONS = {7: 0x07C94, 8: 0x085BC, 9: 0x09A99, 10: 0x0A4D3}  # table D.1

EXP = [1]
while len(EXP) < 255:
    EXP.append(EXP[-1] << 1 ^ (0x11D if EXP[-1] & 0x80 else 0))


def is_flipped(mask: int, row: int, column: int) -> bool:
    """Return whether a mask turns a module over (table 10)."""
    both = row * column
    return [
        (row + column) % 2 == 0,
        row % 2 == 0,
        column % 3 == 0,
        (row + column) % 3 == 0,
        (row // 2 + column // 3) % 2 == 0,
        both % 2 + both % 3 == 0,
        (both % 2 + both % 3) % 2 == 0,
        ((row + column) % 2 + both % 3) % 2 == 0,
    ][mask]


def format_mask(grid: Grid) -> int:
    """Return the mask that the format states; both copies have to state the same (clause 7.9.1)."""
    size = len(grid)
    first = [(8, c) for c in (0, 1, 2, 3, 4, 5, 7, 8)] + [(r, 8) for r in (7, 5, 4, 3, 2, 1, 0)]
    second = [(r, 8) for r in range(size - 1, size - 8, -1)] + [(8, c) for c in range(size - 8, size)]
    numbers = {sum(grid[r][c] << 14 - bit for bit, (r, c) in enumerate(way)) for way in (first, second)}
    (number,) = numbers
    assert grid[size - 8][8], "the module that is always dark"
    return FORMATS[number]


def is_function(version: int, row: int, column: int) -> bool:
    """Return whether a module belongs to a fixed pattern, the format or the version."""
    size = 17 + 4 * version
    in_corner = (
        (row < 9 and column < 9) or (row < 9 and column >= size - 8) or (row >= size - 8 and column < 9)
    )
    in_version = version > 6 and (
        (row < 6 and size - 11 <= column < size - 8) or (column < 6 and size - 11 <= row < size - 8)
    )
    return in_corner or in_version or row == 6 or column == 6 or is_aligned(version, row, column)


def is_aligned(version: int, row: int, column: int) -> bool:
    """Return whether a module belongs to an alignment pattern."""
    last = 10 + 4 * version
    if version == 1:
        return False
    middle = ALIGNED.get(version)
    centres = [(last, last)]
    if middle:
        centres += [(6, middle), (middle, 6), (middle, middle), (middle, last), (last, middle)]
    return any(abs(row - r) <= 2 and abs(column - c) <= 2 for r, c in centres)


def check_patterns(grid: Grid, version: int) -> None:
    """See that finders, timing and the version are as a scanner expects them."""
    size = len(grid)
    for top, left in ((0, 0), (0, size - 7), (size - 7, 0)):
        for row in range(7):
            for column in range(7):
                ring = max(abs(row - 3), abs(column - 3))
                assert grid[top + row][left + column] == (ring != 2), "a finder"
    for at in range(8, size - 8):
        assert grid[6][at] == grid[at][6] == (at % 2 == 0), "the timing"
    if version > 6:
        bits = range(18)
        above = sum(grid[bit // 3][size - 11 + bit % 3] << bit for bit in bits)
        beside = sum(grid[size - 11 + bit % 3][bit // 3] << bit for bit in bits)
        assert above == beside == VERSIONS[version], "the version"


def words_in(grid: Grid, version: int, mask: int) -> list[int]:
    """Return the code words, unmasked, in the order of the columns (clause 7.7.3)."""
    size = len(grid)
    bits: list[bool] = []
    column, goes_up = size - 1, True
    while column > 0:
        column -= column == 6
        for row in reversed(range(size)) if goes_up else range(size):
            free = [at for at in (column, column - 1) if not is_function(version, row, at)]
            bits += [grid[row][at] ^ is_flipped(mask, row, at) for at in free]
        column -= 2
        goes_up = not goes_up
    whole = len(bits) // 8 * 8
    return [sum(bits[i + j] << 7 - j for j in range(8)) for i in range(0, whole, 8)]


def is_sound(block: list[int], checks: int) -> bool:
    """Return whether all syndromes of a block are 0: nothing is to be corrected."""
    for power in range(checks):
        value = 0
        for word in block:
            value = (EXP[(EXP.index(value) + power) % 255] if value else 0) ^ word
        if value:
            return False
    return True


def blocks_of(words: list[int], version: int) -> list[int]:
    """Return the data words, taken out of their blocks, each of which has to be sound."""
    sizes, checks = BLOCKS[version]
    blocks: list[list[int]] = [[] for _ in sizes]
    rest = iter(words)
    for turn in range(max(sizes)):
        for block, size in zip(blocks, sizes, strict=True):
            if turn < size:
                block.append(next(rest))
    data = [word for block in blocks for word in block]
    for _ in range(checks):
        for block in blocks:
            block.append(next(rest))
    assert all(is_sound(block, checks) for block in blocks), "a block with errors"
    assert not list(rest), "words that belong to no block"
    return data


def read(grid: Grid) -> bytes:
    """Return the bytes that a grid holds."""
    version = (len(grid) - 17) // 4
    check_patterns(grid, version)
    data = blocks_of(words_in(grid, version, format_mask(grid)), version)
    bits = "".join(f"{word:08b}" for word in data)
    assert bits[:4] == "0100", "byte mode"
    start = 4 + (16 if version > 9 else 8)
    count = int(bits[4:start], 2)
    end = start + 8 * count
    assert len(bits) >= end
    assert set(bits[end : end + 4]) <= {"0"}, "four zeros end it, where there is room"
    return bytes(int(bits[i : i + 8], 2) for i in range(start, end, 8))
