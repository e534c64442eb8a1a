"""A client's part that keeps nothing, for clients that do as a test says."""

from __future__ import annotations


class NothingKept:
    kept = None
    has_heard = False

    def has_kept(self, _track_id: bytes) -> bool:
        return False

    def expect_to_keep(self) -> None:
        pass
