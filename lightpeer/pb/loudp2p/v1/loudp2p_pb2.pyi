from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Seal(_message.Message):
    __slots__ = ("time_ms", "nonce", "signer", "signature")
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    time_ms: int
    nonce: bytes
    signer: bytes
    signature: bytes
    def __init__(self, time_ms: _Optional[int] = ..., nonce: _Optional[bytes] = ..., signer: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class PeerRecord(_message.Message):
    __slots__ = ("endpoints", "roles", "sequence", "expires_s", "seal")
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    endpoints: _containers.RepeatedScalarFieldContainer[str]
    roles: int
    sequence: int
    expires_s: int
    seal: Seal
    def __init__(self, endpoints: _Optional[_Iterable[str]] = ..., roles: _Optional[int] = ..., sequence: _Optional[int] = ..., expires_s: _Optional[int] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class ExchangeRequest(_message.Message):
    __slots__ = ("records", "want", "seal")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    WANT_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    want: int
    seal: Seal
    def __init__(self, records: _Optional[_Iterable[bytes]] = ..., want: _Optional[int] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class ExchangeReply(_message.Message):
    __slots__ = ("records", "observed", "seal")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedScalarFieldContainer[bytes]
    observed: str
    seal: Seal
    def __init__(self, records: _Optional[_Iterable[bytes]] = ..., observed: _Optional[str] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class Announcement(_message.Message):
    __slots__ = ("record", "seal")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    record: bytes
    seal: Seal
    def __init__(self, record: _Optional[bytes] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class AnnounceReply(_message.Message):
    __slots__ = ("again_s", "seal")
    AGAIN_S_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    again_s: int
    seal: Seal
    def __init__(self, again_s: _Optional[int] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("query", "limit", "hops", "query_id", "open", "walkers", "records", "seal")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    HOPS_FIELD_NUMBER: _ClassVar[int]
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    WALKERS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    query: str
    limit: int
    hops: int
    query_id: bytes
    open: OpenRequest
    walkers: int
    records: int
    seal: Seal
    def __init__(self, query: _Optional[str] = ..., limit: _Optional[int] = ..., hops: _Optional[int] = ..., query_id: _Optional[bytes] = ..., open: _Optional[_Union[OpenRequest, _Mapping]] = ..., walkers: _Optional[int] = ..., records: _Optional[int] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("track_id", "title", "artist", "album", "duration_ms", "bitrates_kbps", "holders", "track_number", "disc_number", "disc_tracks", "album_artist", "year")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARTIST_FIELD_NUMBER: _ClassVar[int]
    ALBUM_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    BITRATES_KBPS_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    TRACK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISC_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISC_TRACKS_FIELD_NUMBER: _ClassVar[int]
    ALBUM_ARTIST_FIELD_NUMBER: _ClassVar[int]
    YEAR_FIELD_NUMBER: _ClassVar[int]
    track_id: bytes
    title: str
    artist: str
    album: str
    duration_ms: int
    bitrates_kbps: _containers.RepeatedScalarFieldContainer[int]
    holders: _containers.RepeatedScalarFieldContainer[int]
    track_number: int
    disc_number: int
    disc_tracks: int
    album_artist: str
    year: int
    def __init__(self, track_id: _Optional[bytes] = ..., title: _Optional[str] = ..., artist: _Optional[str] = ..., album: _Optional[str] = ..., duration_ms: _Optional[int] = ..., bitrates_kbps: _Optional[_Iterable[int]] = ..., holders: _Optional[_Iterable[int]] = ..., track_number: _Optional[int] = ..., disc_number: _Optional[int] = ..., disc_tracks: _Optional[int] = ..., album_artist: _Optional[str] = ..., year: _Optional[int] = ...) -> None: ...

class SearchReply(_message.Message):
    __slots__ = ("hits", "peers", "open", "matches", "preparing", "seal")
    HITS_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    PREPARING_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    peers: _containers.RepeatedScalarFieldContainer[bytes]
    open: OpenReply
    matches: int
    preparing: int
    seal: Seal
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., peers: _Optional[_Iterable[bytes]] = ..., open: _Optional[_Union[OpenReply, _Mapping]] = ..., matches: _Optional[int] = ..., preparing: _Optional[int] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class Manifest(_message.Message):
    __slots__ = ("title", "artist", "album", "duration_samples", "gain_q8_db", "renditions", "segment_count", "track_number", "disc_number", "disc_tracks", "album_artist", "year")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ARTIST_FIELD_NUMBER: _ClassVar[int]
    ALBUM_FIELD_NUMBER: _ClassVar[int]
    DURATION_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    GAIN_Q8_DB_FIELD_NUMBER: _ClassVar[int]
    RENDITIONS_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRACK_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISC_NUMBER_FIELD_NUMBER: _ClassVar[int]
    DISC_TRACKS_FIELD_NUMBER: _ClassVar[int]
    ALBUM_ARTIST_FIELD_NUMBER: _ClassVar[int]
    YEAR_FIELD_NUMBER: _ClassVar[int]
    title: str
    artist: str
    album: str
    duration_samples: int
    gain_q8_db: int
    renditions: _containers.RepeatedCompositeFieldContainer[Rendition]
    segment_count: int
    track_number: int
    disc_number: int
    disc_tracks: int
    album_artist: str
    year: int
    def __init__(self, title: _Optional[str] = ..., artist: _Optional[str] = ..., album: _Optional[str] = ..., duration_samples: _Optional[int] = ..., gain_q8_db: _Optional[int] = ..., renditions: _Optional[_Iterable[_Union[Rendition, _Mapping]]] = ..., segment_count: _Optional[int] = ..., track_number: _Optional[int] = ..., disc_number: _Optional[int] = ..., disc_tracks: _Optional[int] = ..., album_artist: _Optional[str] = ..., year: _Optional[int] = ...) -> None: ...

class Rendition(_message.Message):
    __slots__ = ("bitrate_bps", "header", "table_hashes")
    BITRATE_BPS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    TABLE_HASHES_FIELD_NUMBER: _ClassVar[int]
    bitrate_bps: int
    header: bytes
    table_hashes: bytes
    def __init__(self, bitrate_bps: _Optional[int] = ..., header: _Optional[bytes] = ..., table_hashes: _Optional[bytes] = ...) -> None: ...

class OpenRequest(_message.Message):
    __slots__ = ("track_id", "ephemeral_key", "first_segment", "bitrate_kbps", "inline_bytes", "manifest_known", "inline_segments", "seal")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_KEY_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEGMENT_FIELD_NUMBER: _ClassVar[int]
    BITRATE_KBPS_FIELD_NUMBER: _ClassVar[int]
    INLINE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_KNOWN_FIELD_NUMBER: _ClassVar[int]
    INLINE_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    track_id: bytes
    ephemeral_key: bytes
    first_segment: int
    bitrate_kbps: int
    inline_bytes: int
    manifest_known: bool
    inline_segments: int
    seal: Seal
    def __init__(self, track_id: _Optional[bytes] = ..., ephemeral_key: _Optional[bytes] = ..., first_segment: _Optional[int] = ..., bitrate_kbps: _Optional[int] = ..., inline_bytes: _Optional[int] = ..., manifest_known: bool = ..., inline_segments: _Optional[int] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class OpenReply(_message.Message):
    __slots__ = ("manifest", "ephemeral_key", "udp_port", "stream_id", "path_token", "chunks", "present", "seal")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_KEY_FIELD_NUMBER: _ClassVar[int]
    UDP_PORT_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    manifest: bytes
    ephemeral_key: bytes
    udp_port: int
    stream_id: int
    path_token: int
    chunks: _containers.RepeatedCompositeFieldContainer[Chunk]
    present: int
    seal: Seal
    def __init__(self, manifest: _Optional[bytes] = ..., ephemeral_key: _Optional[bytes] = ..., udp_port: _Optional[int] = ..., stream_id: _Optional[int] = ..., path_token: _Optional[int] = ..., chunks: _Optional[_Iterable[_Union[Chunk, _Mapping]]] = ..., present: _Optional[int] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ("track_id", "ranges", "seal")
    TRACK_ID_FIELD_NUMBER: _ClassVar[int]
    RANGES_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    track_id: bytes
    ranges: _containers.RepeatedCompositeFieldContainer[Range]
    seal: Seal
    def __init__(self, track_id: _Optional[bytes] = ..., ranges: _Optional[_Iterable[_Union[Range, _Mapping]]] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...

class Range(_message.Message):
    __slots__ = ("rendition", "first", "count")
    RENDITION_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    rendition: int
    first: int
    count: int
    def __init__(self, rendition: _Optional[int] = ..., first: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ("rendition", "segment", "data", "seal")
    RENDITION_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    rendition: int
    segment: int
    data: bytes
    seal: Seal
    def __init__(self, rendition: _Optional[int] = ..., segment: _Optional[int] = ..., data: _Optional[bytes] = ..., seal: _Optional[_Union[Seal, _Mapping]] = ...) -> None: ...
