"""The commands about the connection: the password, what the client wants to see, what there is here."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from lightpeer.core.mpd.arguments import number
from lightpeer.core.mpd.song import TAGS, checked_tag
from lightpeer.core.mpd.speaker import Call, Rule
from lightpeer.core.mpd.wire import MAX_WORDS, Ack, Lines
from lightpeer.errors import CommandError

FEATURES: Final = ("hide_playlists_in_root",)
LEAST_BINARY_BYTES: Final = 64


def _ping(_: Call) -> Lines:
    return []


def _password(call: Call) -> Lines:
    if not compare_digest(call.arguments[0].encode(), call.speaker.password.encode()):
        raise CommandError(Ack.PASSWORD, "incorrect password")
    call.session.is_admitted = True
    return []


def _binary_limit(call: Call) -> Lines:
    number(call.arguments[0], LEAST_BINARY_BYTES)
    return []


def _tag_types(call: Call) -> Lines:
    """Show the tags that the client wants to see, or change which these are."""
    tags, (what, *names) = call.session.tags, call.arguments or ("",)
    if what in {"", "available"}:
        return [f"tagtype: {tag}" for tag in TAGS if what or tag in tags]
    if what in {"all", "clear"} and not names:
        tags.clear()
        tags.update(TAGS if what == "all" else ())
    elif what in {"enable", "disable", "reset"} and names:
        chosen = {checked_tag(name) for name in names}
        call.session.tags = {"enable": tags | chosen, "disable": tags - chosen, "reset": chosen}[what]
    else:
        raise CommandError(Ack.ARG, "Unknown sub command")
    return []


def _protocol(call: Call) -> Lines:
    """Show the features that the client has enabled, or change which these are."""
    features, (what, *names) = call.session.features, call.arguments or ("",)
    if what in {"", "available"}:
        return [f"feature: {name}" for name in FEATURES if what or name in features]
    if what in {"all", "clear"} and not names:
        features.clear()
        features.update(FEATURES if what == "all" else ())
    elif what in {"enable", "disable"} and names:
        for name in set(names).difference(FEATURES):
            raise CommandError(Ack.ARG, f"Unknown protocol feature: {name}")
        call.session.features = features | set(names) if what == "enable" else features - set(names)
    else:
        raise CommandError(Ack.ARG, "Unknown sub command")
    return []


def _url_handlers(_: Call) -> Lines:
    return ["handler: loud:"]


def _decoders(_: Call) -> Lines:
    return ["plugin: opus", "suffix: opus", "mime_type: audio/ogg"]


def _list_partitions(_: Call) -> Lines:
    return ["partition: default"]


def _list_mounts(_: Call) -> Lines:
    return ["mount: ", "storage: loud:"]


def _list_neighbors(_: Call) -> Lines:
    return []


RULES: Final = {
    "binarylimit": Rule(_binary_limit, 1, 1),
    "decoders": Rule(_decoders),
    "listmounts": Rule(_list_mounts),
    "listneighbors": Rule(_list_neighbors),
    "listpartitions": Rule(_list_partitions),
    "password": Rule(_password, 1, 1, is_public=True),
    "ping": Rule(_ping, is_public=True),
    "protocol": Rule(_protocol, 0, MAX_WORDS, is_public=True),
    "tagtypes": Rule(_tag_types, 0, MAX_WORDS, is_public=True),
    "urlhandlers": Rule(_url_handlers),
}
