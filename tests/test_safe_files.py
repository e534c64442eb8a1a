"""What stands in a file's place: a FIFO, a device, a folder, a link, too much."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from lightpeer.client.part_file import PartFile
from lightpeer.config import load_settings
from lightpeer.config.settings import MAX_FILE_BYTES
from lightpeer.core.trust.identity import Identity
from lightpeer.errors import ConfigError, StateError
from lightpeer.safe_files import open_ordinary, read_ordinary
from lightpeer.serve.library.disk import claim
from lightpeer.state.files import KEY_FILE, load_or_create_identity
from lightpeer.state.peers import PEERS_FILE, RememberedPeers
from lightpeer.state.rates import DOWNLINK_FILE, RememberedDownlink
from tests.pair import made_track

WAYS = {
    "a FIFO": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "too much": lambda path: path.write_bytes(bytes(5 * 1024 * 1024)),
}


@pytest.fixture(params=list(WAYS))
def lay(request):
    """Give a function that lays something else at a path, where a file is expected."""
    return WAYS[request.param]


def test_a_file_is_read_also_by_a_link_and_up_to_its_bound(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_ordinary(tmp_path / "file", 5) == read_ordinary(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_ordinary(tmp_path / "file", 4)
    with pytest.raises(FileNotFoundError):
        read_ordinary(tmp_path / "none", 5)


def test_what_is_written_is_made_and_no_link_is_followed(tmp_path):
    os.close(open_ordinary(tmp_path / "new", 0o600))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(OSError, match="link is a link"):
        open_ordinary(tmp_path / "link", 0o600)
    assert not (tmp_path / "elsewhere").exists()


def test_a_configuration_that_is_none_is_one_sentence(tmp_path, lay):
    lay(tmp_path / "c.toml")
    with pytest.raises(ConfigError, match="cannot read the configuration file"):
        load_settings(config_path=tmp_path / "c.toml", environ={"HOME": str(tmp_path)})


def test_a_configuration_nested_without_end_is_one_sentence(tmp_path):
    (tmp_path / "c.toml").write_text("x = " + "[" * (MAX_FILE_BYTES - 10))
    with pytest.raises(ConfigError, match="is not a TOML file"):
        load_settings(config_path=tmp_path / "c.toml", environ={"HOME": str(tmp_path)})


def test_a_key_that_is_none_is_one_sentence(tmp_path, lay):
    lay(tmp_path / KEY_FILE)
    with pytest.raises(StateError, match="cannot read the key"):
        load_or_create_identity(tmp_path)


def test_a_memory_that_cannot_be_read_costs_the_memory_alone(tmp_path, lay, caplog):
    lay(tmp_path / PEERS_FILE)
    lay(tmp_path / DOWNLINK_FILE)

    async def main():
        async with trio.open_nursery() as nursery:
            assert len(RememberedPeers(tmp_path, 64, nursery, own=Identity(b"1" * 32).peer_id).cache) == 0

    trio.run(main)
    assert len(RememberedDownlink(tmp_path, lambda: 0.0)._downlinks) == 0
    assert caplog.text.count("cannot read") == 2


def test_the_lock_of_a_library_follows_no_link(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "library.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StateError, match=r"library\.lock is a link"):
        claim(tmp_path / "state")
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("is_fifo", [False, True])
def test_a_part_that_is_none_is_not_written(tmp_path, is_fifo):
    (tmp_path / "precious").write_bytes(b"precious")
    part = tmp_path / "x.opus.part"
    if is_fifo:
        os.mkfifo(part)
    else:
        part.symlink_to("precious")
    file = PartFile(tmp_path / "x.opus")
    with pytest.raises(OSError, match=r"is a link|not an ordinary file"):
        file.begin(0, made_track(2).track.renditions[0])
    file.close()
    assert (tmp_path / "precious").read_bytes() == b"precious"
