"""Settings: sources and their order, and one clear sentence for each mistake."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from lightpeer import places
from lightpeer.config import Settings, load_settings
from lightpeer.core.budget.profile import Profile
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.errors import ConfigError, UsageError

HOME = {"HOME": "/home/a"}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_defaults_need_nothing():
    settings = load_settings(environ=HOME)
    assert settings == Settings(state_dir=places.default_state_dir(HOME))


def test_flag_beats_environment_beats_file_beats_default(tmp_path):
    path = write(tmp_path / "c.toml", 'output = "null"\ntransport = "udp"\nbitrate_kbps = 48\n')
    environ = HOME | {"LIGHTPEER_TRANSPORT": "grpc", "LIGHTPEER_BITRATE": "96"}
    settings = load_settings(
        config_path=path, environ=environ, overrides={"bitrate_kbps": "24", "output": None}
    )
    assert (settings.output, settings.transport, settings.bitrate_kbps) == ("null", "grpc", 24)
    assert settings.volume_db == 0


def test_every_setting_can_be_in_the_file(tmp_path):
    text = """
        state_dir = "~/x"
        bootstrap = ["a", "b:1", "[::1]:2"]
        cached_peers = 128
        output = "wav:a.wav"
        bitrate_kbps = "auto"
        transport = "grpc"
        volume_db = -3.5
        normalize = true
        profiles = {train = {}}
        networks = {tun0 = "train"}
        profile = "thrifty"
        cache_bytes = 5_000_000
        buffer_bytes = 350_000
        connect_timeout_s = 2.5
        call_timeout_s = 3
        first_contact_wait_s = "forever"
        give_up_s = 90
        peers_asked = 4
    """
    settings = load_settings(config_path=write(tmp_path / "c.toml", text), environ=HOME)
    assert settings == Settings(
        state_dir=Path("~/x").expanduser(),
        bootstrap=(Contact(("a", 47474)), Contact(("b", 1)), Contact(("::1", 2))),
        cached_peers=128,
        output="wav:a.wav",
        bitrate_kbps=None,
        transport="grpc",
        volume_db=-3.5,
        normalize=True,
        cache_bytes=5_000_000,
        profiles=(Profile("train"),),
        networks=(("tun0", "train"),),
        profile="thrifty",
        buffer_bytes=350_000,
        connect_timeout_s=2.5,
        call_timeout_s=3,
        first_contact_wait_s=math.inf,
        give_up_s=90.0,
        peers_asked=4,
    )


def test_profiles_and_networks_are_tables(tmp_path):
    text = """
        [profile.thrifty]
        month_mb = 500
        [profile.train]
        top_kbps = 24
        buffer_kb = 8000
        [networks]
        wlan0 = "normal"
        "My phone" = "train"
    """
    path = write(tmp_path / "c.toml", text)
    settings = load_settings(config_path=path, environ=HOME)
    assert settings.profile == "auto"
    assert settings.profiles == (
        Profile("thrifty", top_kbps=48, buffer_kb=1000, waste_share=0.0, month_mb=500),
        Profile("train", top_kbps=24, buffer_kb=8000),
    )
    assert settings.networks == (("wlan0", "normal"), ("My phone", "train"))
    assert settings.has_caps
    chosen = load_settings(config_path=path, environ=HOME | {"LIGHTPEER_PROFILE": "train"})
    assert (chosen.profile, chosen.profiles) == ("train", settings.profiles)
    assert load_settings(environ=HOME, overrides={"profile": "unmetered"}).profile == "unmetered"
    assert not load_settings(environ=HOME).has_caps


def test_a_profile_may_be_chosen_in_the_file_if_none_is_described_there(tmp_path):
    settings = load_settings(config_path=write(tmp_path / "c.toml", "profile = 'thrifty'"), environ=HOME)
    assert (settings.profile, settings.profiles) == ("thrifty", ())


def test_the_environment_names_state_config_and_bootstrap(tmp_path):
    path = write(tmp_path / "c.toml", "peers_asked = 1")
    environ = HOME | {
        "LIGHTPEER_CONFIG": str(path),
        "LIGHTPEER_STATE": "/s",
        "LIGHTPEER_BOOTSTRAP": "a:1, b",
        "LIGHTPEER_NORMALIZE": "yes",
    }
    settings = load_settings(environ=environ)
    assert settings.state_dir == Path("/s")
    assert [contact.address for contact in settings.bootstrap] == [("a", 1), ("b", 47474)]
    assert settings.peers_asked == 1
    assert settings.normalize is True


def test_a_bootstrap_peer_may_be_named_by_its_id():
    peer_id = PeerId(bytes(range(20)))
    settings = load_settings(environ=HOME, overrides={"bootstrap": [f"{format_peer_id(peer_id)}@[::1]:2"]})
    assert settings.bootstrap == (Contact(("::1", 2), peer_id),)


def test_an_invite_is_as_good_as_the_addresses_in_it():
    peer_id = PeerId(bytes(range(20)))
    invite = f"loudp2p:{format_peer_id(peer_id)}@a:1,b:2"
    contacts = (Contact(("a", 1), peer_id), Contact(("b", 2), peer_id))
    settings = load_settings(environ=HOME, overrides={"bootstrap": [invite, "c:3"]})
    assert settings.bootstrap == (*contacts, Contact(("c", 3)))
    assert load_settings(environ=HOME | {"LIGHTPEER_BOOTSTRAP": invite}).bootstrap == contacts


def test_a_byte_order_mark_is_none_of_its_text(tmp_path):
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbfoutput = 'null'\r\n")
    assert load_settings(config_path=path, environ=HOME).output == "null"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tranport = 'udp'", r"there is no setting 'tranport'; there are state_dir, .*transport"),
        (
            "cache_bytes = -1",
            r"be a whole number from 0 to 10000000000000 \(bytes, 0 for none, or auto\)",
        ),
        ("transport = 'tcp'", r"c\.toml: transport is 'tcp', but must be auto, udp or grpc"),
        ("transport = ['udp']", r"must be auto, udp or grpc"),
        ("bitrate_kbps = 48.5", r"bitrate_kbps is 48.5, but must be a whole number from 6 to 510"),
        ("bitrate_kbps = true", r"a whole number"),
        ("volume_db = nan", r"a number from -60 to 20 \(decibels\)"),
        ("volume_db = 'loud'", r"decibels"),
        ("volume_db = []", r"decibels"),
        ("normalize = 1", r"true or false"),
        ("output = 1", r"text"),
        ("state_dir = ''", r"the path of a folder"),
        ("bootstrap = [1]", r"a list of HOST:PORT"),
        ("bootstrap = 'a:b'", r"HOST:PORT, such as"),
        ("bootstrap = 'Lx@a:1'", r"HOST:PORT or ID@HOST:PORT, where 'Lx' is not a peer id"),
        ("cached_peers = 7", r"a whole number from 8 to 512 \(peers\)"),
        (f"bootstrap = {['a'] * 17}", r"at most 16 addresses"),
        ("high_water_s = 40", r"there is no setting 'high_water_s'"),
        ("profile = 'fast'", r"there is no profile 'fast'; there are thrifty, normal, unmetered, and auto"),
        ("[networks]\nwlan0 = 'fast'", r"there is no profile 'fast'"),
        ("[networks]\nwlan0 = 5", r"networks is .*, but must be a table"),
        (
            "[profile.x]\nday_mb = 0",
            r"must be tables; day_mb in \[profile.x\] is a number",
        ),
        ("a = [", r"c\.toml is not a TOML file"),
    ],
)
def test_mistakes_in_the_file_name_file_and_key(tmp_path, text, says):
    path = write(tmp_path / "c.toml", text)
    with pytest.raises(ConfigError, match=says):
        load_settings(config_path=path, environ=HOME)


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_settings(config_path=path, environ=HOME)


def test_a_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="there is no configuration file"):
        load_settings(config_path=tmp_path / "none", environ=HOME)
    with pytest.raises(ConfigError, match="cannot read the configuration file"):
        load_settings(config_path=tmp_path, environ=HOME)


def test_mistakes_elsewhere_name_their_place():
    with pytest.raises(UsageError, match=re.escape("--bitrate is '3', but must be")):
        load_settings(environ=HOME, overrides={"bitrate_kbps": "3"})
    with pytest.raises(UsageError, match=re.escape("--bootstrap is 'a:b, c', but must be HOST:PORT")):
        load_settings(environ=HOME, overrides={"bootstrap": ["a:b", "c"]})
    with pytest.raises(ConfigError, match="the environment's LIGHTPEER_VOLUME is 'x'"):
        load_settings(environ=HOME | {"LIGHTPEER_VOLUME": "x"})


def test_the_networks_that_were_joined_follow_the_bootstrap_list(tmp_path, caplog):
    peer_id = PeerId(bytes(range(20)))
    invite = f"loudp2p:{format_peer_id(peer_id)}@a:1,b:2"
    (tmp_path / "joined").write_text(f"{invite}\na:b\n" + "".join(f"host{n}\n" for n in range(20)))
    settings = load_settings(environ=HOME, overrides={"state_dir": tmp_path, "bootstrap": "x:1"})
    assert settings.bootstrap[:4] == (
        Contact(("x", 1)),
        Contact(("a", 1), peer_id),
        Contact(("b", 2), peer_id),
        Contact(("host0", 47474)),
    )
    assert len(settings.bootstrap) < 16
    assert f"{tmp_path / 'joined'}: 'a:b' is not HOST:PORT" in caplog.text


def test_joined_networks_that_cannot_be_read_are_reported(tmp_path, caplog):
    (tmp_path / "joined").mkdir()
    assert load_settings(environ=HOME, overrides={"state_dir": tmp_path}).bootstrap == ()
    assert "cannot read the joined networks" in caplog.text


def test_a_user_without_a_home_names_a_state_directory(monkeypatch):
    def unknown(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", lambda path: unknown(path) if str(path)[0] == "~" else path)
    monkeypatch.setattr(Path, "home", lambda: unknown(Path()))
    assert load_settings(environ={}, overrides={"state_dir": "/s"}).state_dir == Path("/s")
    with pytest.raises(ConfigError, match="there is no home folder: set HOME"):
        load_settings(environ={})
    with pytest.raises(UsageError, match="--state is '~x/s', but must be a path in the home of a user"):
        load_settings(environ={}, overrides={"state_dir": "~x/s"})
    with pytest.raises(ConfigError, match="the environment's XDG_STATE_HOME is '~x'"):
        load_settings(environ={"XDG_STATE_HOME": "~x"})


def test_the_limits_of_a_server_reach_its_connections():
    from lightpeer.rpc.limits import ServeLimits
    from lightpeer.rpc.server import LIMITS

    for name in ("idle_s", "handshake_s", "keepalive_s", "connection_age_s", "connection_window_bytes"):
        assert getattr(LIMITS, name) == getattr(ServeLimits, name)
    assert ServeLimits.connections_per_host < ServeLimits.connections
    assert ServeLimits.connection_window_bytes * ServeLimits.connections_per_host <= 128 * 2**20
