"""What an operator is told where a server cannot listen."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from lightpeer.errors import StateError, UsageError
from lightpeer.serve.operator.listening import listen_error


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [
        (errno.EADDRINUSE, StateError, "is in use: stop what listens there, or choose another"),
        (errno.EACCES, StateError, "needs more rights: choose a port above 1023"),
        (errno.EADDRNOTAVAIL, UsageError, "is no address of this machine"),
        (errno.EAFNOSUPPORT, StateError, os.strerror(errno.EAFNOSUPPORT)),
    ],
)
def test_each_failure_names_the_address_and_what_to_do(number: int, kind: type, told: str) -> None:
    error = listen_error(("2001:db8::1", 80), OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert "[2001:db8::1]:80" in str(error)
    assert told in str(error)
    assert str(error).endswith("with --listen")


def test_a_name_without_addresses_is_wrong_usage_with_its_reason() -> None:
    error = listen_error(("nowhere.invalid", 80), socket.gaierror(socket.EAI_NONAME, "Name not known"))
    assert isinstance(error, UsageError)
    assert "nowhere.invalid:80 is no address of this machine (Name not known)" in str(error)


def test_a_failure_without_a_number_is_told_in_its_own_words() -> None:
    assert "(the cable is cut)" in str(listen_error(("::", 80), OSError("the cable is cut")))
