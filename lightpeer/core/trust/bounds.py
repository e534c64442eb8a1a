"""The bounds on the contents of loudp2p's messages, for both ends (`proto/README.md`, sections 4 to 6).

The bounds on whole messages, which are checked before parsing, follow from these (`messages.py`).
"""

from __future__ import annotations

from typing import Final

MAX_RECORD_BYTES: Final = 512  # of a peer's record
MAX_RECORDS: Final = 16  # in an exchange, either way: 8 kB; each seal costs a Pi Zero a millisecond or two

MAX_TEXT_CHARS: Final = 512  # of a title, an artist, an album
MAX_RENDITIONS: Final = 8  # of a track
MAX_MANIFEST_BYTES: Final = 128 * 1024  # 8 renditions with 16 kB of header or hashes each
MAX_SEGMENT_BYTES: Final = 0xFFFF  # the size in a table entry; 1 s at Opus' highest bitrate fits

MAX_QUERY_CHARS: Final = 512  # of a search
QUERY_ID_BYTES: Final = 8
MAX_HITS: Final = 50  # of a search: SearchRequest.limit
MAX_PEERS: Final = 64  # of a search; a hit may name all of them, and each record costs as much as a seal

MAX_INLINE_BYTES: Final = 256 * 1024  # of an Open: 20 s of the highest rendition, more than any start-up
MAX_PULL_RANGES: Final = 64  # in one request by gRPC
