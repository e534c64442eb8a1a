"""A file that is here under another name: its track as it is, or with another title, but never encoded again.

The title of a file without tags comes from its name, and its album from its folder. With another title, or
place on an album, the header pages differ, and with them the manifest and the track id; the segments and
their tables are the same, byte for byte.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from lightpeer.audio.ogg import Demuxer
from lightpeer.audio.opus import OpusHead, parse_opus_head_untrusted
from lightpeer.core.content.album import put_place
from lightpeer.core.content.manifest import parse_manifest_untrusted
from lightpeer.core.trust.messages import parse_message_untrusted
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.serve.importing.segments import header_pages
from lightpeer.serve.importing.tags import Tags


def retitle(known: Path, track_id: bytes, tags: Tags, folder: Path) -> None:
    """Make a track of a known one, unless it would be the same.

    Args:
        known: the folder of a track that was made of the same bytes.
        track_id: that track's.
        tags: title, artist, album and place of the file as it is named now.
        folder: an empty folder; it stays empty if the known track stands for the file as it is.

    Raises:
        OSError: the known track is gone, or the folder cannot be written.
        RemoteError: the known track is damaged.
    """
    manifest = (known / "manifest").read_bytes()
    track = parse_manifest_untrusted(manifest, track_id)
    described = (track.title, track.artist, track.album, track.place)
    if described == (tags.title, tags.artist, tags.album, tags.place):
        return
    headers = [header_pages(_head(rendition.header), tags) for rendition in track.renditions]
    for number, (rendition, header) in enumerate(zip(track.renditions, headers, strict=True)):
        if number == 0 or (known / f"{number}.opus").exists():  # else it was dropped to save room
            with (known / f"{number}.opus").open("rb") as old, (folder / f"{number}.opus").open("wb") as new:
                old.seek(len(rendition.header))
                new.write(header)
                shutil.copyfileobj(old, new)
        shutil.copyfile(known / f"{number}.tables", folder / f"{number}.tables")
    (folder / "manifest").write_bytes(_retitled(manifest, tags, headers))


def _head(header: bytes) -> OpusHead:
    with closing(Demuxer()) as demuxer:
        demuxer.feed(header)
        return parse_opus_head_untrusted(next(demuxer.packets()).data)


def _retitled(manifest: bytes, tags: Tags, headers: Sequence[bytes]) -> bytes:
    """Return the manifest of the same sound under another title, with these headers of its renditions."""
    message = parse_message_untrusted(pb.Manifest, manifest)
    message.title, message.artist, message.album = tags.title, tags.artist, tags.album
    put_place(tags.place, message)
    for rendition, header in zip(message.renditions, headers, strict=True):
        rendition.header = header
    return message.SerializeToString(deterministic=True)
