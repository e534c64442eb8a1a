"""All fuzz targets, by name."""

from tests.fuzz import core_targets, mpd_targets, shell_targets
from tests.fuzz.target import TARGETS

__all__ = ["TARGETS", "core_targets", "mpd_targets", "shell_targets"]
