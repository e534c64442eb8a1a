"""The settings of a light client: where they come from, and what each may be (`parsers.py`)."""

from lightpeer.config.settings import Settings, load_settings

__all__ = ["Settings", "load_settings"]
