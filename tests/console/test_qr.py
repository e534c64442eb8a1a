"""QR codes: equal, module for module, to those that the package qrcode 8 made of the same texts and masks."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightpeer.console.qr import MAX_BYTES, qr_lines, qr_matrix
from tests.console import qr_reader

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


@pytest.mark.parametrize("length", [0, 1, 17, 18, 53, 78, 106, 134, 135, 154, 155, 192, 193, 230, 231, 271])
def test_a_scanner_reads_what_was_written_at_each_end_of_each_version(length):
    assert qr_reader.read(qr_matrix(TEXT[:length])) == TEXT[:length]


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=MAX_BYTES))
def test_a_scanner_reads_any_bytes(data):
    assert qr_reader.read(qr_matrix(data)) == data


def test_of_eight_masks_some_are_taken_and_the_reader_sees_an_error():
    """The reader is worth something: each mask is read, and a module that is turned over is noticed."""
    masks = {qr_reader.format_mask(qr_matrix(b"%d" % number)) for number in range(40)}
    assert len(masks) > 3
    matrix = qr_matrix(TEXT[:100])
    matrix[-1][-1] ^= True
    with pytest.raises(AssertionError, match="a block with errors"):
        qr_reader.read(matrix)
