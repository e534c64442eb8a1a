"""A track's place on its album, in manifests and hits alike."""

from __future__ import annotations

import pytest

from lightpeer.core.content.album import NOWHERE, AlbumPlace, place_untrusted, put_place
from lightpeer.core.trust.bounds import MAX_TEXT_CHARS
from lightpeer.errors import BadMessageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb

PLACE = AlbumPlace(track=3, disc=2, tracks=12, album_artist="The Band", year=1999)


@pytest.mark.parametrize("kind", [pb.Manifest, pb.Hit])
def test_a_place_comes_back_and_nowhere_takes_no_bytes(kind: type) -> None:
    message = kind()
    put_place(NOWHERE, message)
    assert message.ByteSize() == 0
    assert place_untrusted(message) == NOWHERE
    put_place(PLACE, message)
    assert place_untrusted(kind.FromString(message.SerializeToString())) == PLACE


@pytest.mark.parametrize("kind", [pb.Manifest, pb.Hit])
def test_a_long_name_is_cut_where_it_is_written_and_refused_where_it_is_read(kind: type) -> None:
    message = kind()
    put_place(PLACE._replace(album_artist="x" * (MAX_TEXT_CHARS + 1)), message)
    assert place_untrusted(message).album_artist == "x" * MAX_TEXT_CHARS
    message.album_artist += "x"
    with pytest.raises(BadMessageError, match="an album artist whose name is too long"):
        place_untrusted(message)
