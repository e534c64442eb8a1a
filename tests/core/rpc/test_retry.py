"""Which calls begin anew, and with what."""

from __future__ import annotations

import pytest

from lightpeer.core.rpc.retry import KEPT_BYTES, TransparentRetry
from lightpeer.core.rpc.status import CallStatus, StatusCode

UNSEEN = CallStatus(StatusCode.UNAVAILABLE, "refused", was_processed=False)
SEEN = CallStatus(StatusCode.UNAVAILABLE, "broken")


def test_a_call_that_had_a_stream_begins_anew_once():
    retry = TransparentRetry()
    assert retry.take(UNSEEN, has_stream=True)
    assert not retry.take(UNSEEN, has_stream=True)


def test_a_call_that_never_had_a_stream_begins_anew_as_often_as_need_be():
    retry = TransparentRetry()
    assert all(retry.take(UNSEEN, has_stream=False) for _ in range(5))
    assert retry.take(UNSEEN, has_stream=True)
    assert retry.take(UNSEEN, has_stream=False)
    assert not retry.take(UNSEEN, has_stream=True)


@pytest.mark.parametrize("has_stream", [True, False])
def test_a_call_that_the_server_may_have_seen_does_not(has_stream):
    assert not TransparentRetry().take(SEEN, has_stream=has_stream)


def test_after_the_servers_first_word_a_call_does_not():
    retry = TransparentRetry()
    retry.keep(b"one", compress=True)
    retry.commit()
    retry.keep(b"two", compress=True)
    assert retry.sent == []
    assert not retry.take(UNSEEN, has_stream=False)


def test_many_requests_are_kept_in_order_up_to_a_bound():
    retry = TransparentRetry()
    retry.keep(b"one", compress=True)
    retry.keep(bytes(KEPT_BYTES - 3), compress=False)
    assert retry.sent == [(b"one", True), (bytes(KEPT_BYTES - 3), False)]
    retry.keep(b"x", compress=True)
    assert retry.sent == []
    assert not retry.take(UNSEEN, has_stream=False)


def test_the_only_request_is_kept_whatever_its_size():
    retry = TransparentRetry()
    retry.keep_only(bytes(2 * KEPT_BYTES))
    assert retry.sent == [(bytes(2 * KEPT_BYTES), True)]
    assert retry.take(UNSEEN, has_stream=True)
