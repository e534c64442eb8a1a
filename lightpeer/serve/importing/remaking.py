"""Makes the renditions again that were dropped to save room, for tracks that somebody opens.

A track is made anew of its music file, with the titles that its manifest has, in a folder of its own. If that
gives the same manifest, its hash proves each byte, and what is missing is put back. Otherwise another version
of the encoder made it: the track stays as it is, and its file is imported again by the next scan, as another
track. One process makes one track after the other, beside those of an import.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.manifest import track_id_of
from lightpeer.errors import MissingLibraryError, UnreadableError
from lightpeer.serve.importing.cue_sheets import key_of
from lightpeer.serve.importing.ingest import Recipe
from lightpeer.serve.importing.jobs import Job, open_crew
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.importing.tags import Tags
from lightpeer.serve.library.disk import state_error

if TYPE_CHECKING:
    from lightpeer.core.content.manifest import Track
    from lightpeer.serve.importing.folders import Control
    from lightpeer.serve.importing.jobs import Crew
    from lightpeer.serve.library.library import Library

logger = logging.getLogger(__name__)

_WORKSPACE: Final = 2000  # behind all of an import


@dataclass(slots=True)
class Remade:
    """What came of it.

    Attributes:
        tracks: how many have all of their renditions again.
        notes: a sentence each on those that cannot.
        outdated: whether files are to be imported again.
    """

    tracks: int = 0
    notes: list[str] = field(default_factory=list)
    outdated: bool = False


def remake(library: Library, control: Control) -> Remade:
    """Make what is ordered, until there is nothing more.

    Raises:
        StateError: the state directory cannot be written.
    """
    made = Remade()
    with open_crew(min(1, control.processes), control.should_stop) as crew:
        try:
            while (track_id := library.renditions.next_order()) is not None:
                _remake_one(library, track_id, crew, made)
        except StoppedError:
            logger.debug("stopped while renditions were made again")
        finally:
            library.renditions.end_orders()
    return made


def _remake_one(library: Library, track_id: bytes, crew: Crew, made: Remade) -> None:
    source, stored = library.renditions.source_of(track_id), library.track(track_id)
    if source is None or stored is None:
        return
    path, folder = source.to_path(), library.workspace(_WORKSPACE)
    recipe = Recipe(library.ladder, library.complexity)
    try:
        crew.submit(Job(path, folder, recipe, _tags_of(stored.track))).result()
        if key_of(path) != source:
            return  # it changed meanwhile, and a scan takes it
        if track_id_of((folder / "manifest").read_bytes()) == track_id:
            made.tracks += library.renditions.put_back(track_id, folder)
            return
    except OSError as error:  # reading fails with UnreadableError: this is the state directory
        raise state_error(folder, error) from error
    except (UnreadableError, MissingLibraryError) as error:
        library.renditions.fail(track_id)
        made.notes.append(f"{path} cannot be encoded again, so its track stays as it is: {error}")
        return
    library.imported.mark_outdated(track_id)
    made.outdated = True
    made.notes.append(f"{path} is encoded in another way now: it is imported again")


def _tags_of(track: Track) -> Tags:
    """Return what a track's manifest says, from which the same headers are made."""
    return Tags(track.title, track.artist, track.album, track.gain_q8_db, track.place)
