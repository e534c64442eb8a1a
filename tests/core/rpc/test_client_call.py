"""One call of a client."""

from __future__ import annotations

import pytest

from lightpeer.core.rpc.client_call import CallTerms, ClientCall
from lightpeer.core.rpc.framing import encode_message
from lightpeer.core.rpc.status import CallStatus, StatusCode
from tests.core.rpc.h2peer import PATH, connect

OK = CallStatus(StatusCode.OK, "fine")


def call_with(data: bytes, *, expects_one: bool) -> ClientCall:
    client, _ = connect()
    call = client.start(PATH, 0.0, CallTerms(expects_one=expects_one))
    call.decoder.receive_untrusted(data)
    return call


@pytest.mark.parametrize(
    ("data", "expects_one", "text"),
    [
        (b"", False, "fine"),
        (encode_message(b"a") + encode_message(b"b"), False, "fine"),
        (encode_message(b"a"), True, "fine"),
        (b"", True, "no message"),
        (encode_message(b"a")[:-1], False, "inside a message"),
    ],
)
def test_an_ok_counts_only_if_the_messages_agree(data, expects_one, text):
    call = call_with(data, expects_one=expects_one)
    checked = call.checked(OK)
    assert text in checked.details
    assert checked.code is (StatusCode.OK if text == "fine" else StatusCode.INTERNAL)
    error = CallStatus(StatusCode.NOT_FOUND)
    assert call.checked(error) is error


def test_a_call_is_cancelled_by_its_connection():
    client, _ = connect()
    call = client.start(PATH, 0.0)
    call.cancel("enough")
    assert call.status[:2] == (StatusCode.CANCELLED, "enough")
    call.cancel("only the first counts")
    assert call.status.details == "enough"
    assert client.active_calls == 0
