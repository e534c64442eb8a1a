"""Text on streams of any encoding."""

from __future__ import annotations

import io

import pytest

from lightpeer.console.encoding import accept_any_text
from lightpeer.console.text import width

LINE = "▶ Björk — 夜曲…  ↓312"


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", LINE), ("latin-1", "> Björk - ??.  v312"), ("ascii", "> Bj?rk - ??.  v312")],
)
def test_what_an_encoding_lacks_is_replaced(encoding, written):
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding, write_through=True)
    accept_any_text(stream)
    stream.write(LINE)
    assert buffer.getvalue().decode(encoding) == written
    assert width(written) <= width(LINE)


def test_other_streams_are_left_alone():
    accept_any_text(None)
    accept_any_text(io.StringIO())


def test_what_is_read_wrongly_is_still_an_error():
    stream = io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8")
    accept_any_text(stream)
    with pytest.raises(UnicodeDecodeError):
        stream.read()
