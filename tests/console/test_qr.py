"""QR codes: equal, module for module, to those that the package qrcode 8 made of the same texts and masks."""

from __future__ import annotations

import hashlib

import pytest

from lightpeer.console.qr import MAX_BYTES, qr_lines, qr_matrix

TEXT = b"loudp2p:L0123456789@192.168.1.2:47474," * 8
CODES = [
    (1, 21, "53ffaeaa21989629"),
    (17, 21, "c7bb6ec312659aad"),
    (18, 25, "3035e1ff201ef2ba"),
    (53, 29, "a6bccd369ca34783"),
    (78, 33, "d0a78380b6b69bc4"),
    (106, 37, "faa20c2519c2534f"),
    (107, 41, "79d519c045d0c9cf"),
    (134, 41, "71a127a2c40bc71a"),
    (154, 45, "31c7cf487ca88750"),
    (192, 49, "2499291de5111cc9"),
    (230, 53, "caf026721bb5a3ad"),
    (231, 57, "f6a4598c8d983480"),
    (271, 57, "3b59a0ee616bed2f"),
]


@pytest.mark.parametrize(("length", "size", "digest"), CODES)
def test_the_modules_are_those_of_another_implementation(length, size, digest):
    matrix = qr_matrix(TEXT[:length])
    assert (len(matrix), {len(row) for row in matrix}) == (size, {size})
    modules = bytes(module for row in matrix for module in row)
    assert hashlib.sha256(modules).hexdigest()[:16] == digest


def test_what_is_too_long():
    with pytest.raises(ValueError, match=f"more than {MAX_BYTES} bytes"):
        qr_matrix(bytes(MAX_BYTES + 1))


def test_half_blocks_show_two_rows_in_a_line():
    matrix = qr_matrix(b"x")
    lines = qr_lines("x")
    assert {len(line) for line in lines} == {len(matrix) + 4}
    assert len(lines) == (len(matrix) + 5) // 2
    shown = [[char in dark for char in line[2:-2]] for line in lines for dark in ({"▄", " "}, {"▀", " "})]
    assert shown[2 : 2 + len(matrix)] == matrix
    assert not any(map(any, shown[:2] + shown[2 + len(matrix) :]))
