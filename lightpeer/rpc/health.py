"""grpc.health.v1: whether the server and its services are up, for grpcurl and load balancers.

All services are up from the start, unless `set_up` says otherwise. `stop` takes them down and ends all
watches, so that a drain need not wait for them. The messages are imported at the first question, because a
loudp2p peer never asks.

Source: the gRPC project's health-checking.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.messages import parse_message_untrusted
from lightpeer.errors import BadMessageError, RpcError
from lightpeer.rpc.server import unary_stream, unary_unary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.pb.grpc.health.v1 import health_pb2
    from lightpeer.rpc.server import Context, MethodHandler

SERVICE = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3  # of ServingStatus


class Health:
    """The status of services.

    Args:
        services: their full names, "package.Service".
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = {"", *services}
        self._down: set[str] = set()
        self._is_stopped = False
        self._changed = trio.lowlevel.ParkingLot()

    def handlers(self) -> dict[str, MethodHandler]:
        """Return the methods, for the server."""
        return {f"/{SERVICE}/Check": unary_unary(self._check), f"/{SERVICE}/Watch": unary_stream(self._watch)}

    def set_up(self, services: Iterable[str], *, is_up: bool) -> None:
        """Report that services are up, or not up for now."""
        self._down = self._down.difference(services) if is_up else self._down.union(services)
        self._changed.unpark_all()

    def stop(self) -> None:
        """Report that nothing is up any more."""
        self._is_stopped = True
        self._changed.unpark_all()

    async def _check(self, request: bytes, _: Context) -> bytes:
        status = self._status(_service_untrusted(request))
        if status == _SERVICE_UNKNOWN:
            raise RpcError(StatusCode.NOT_FOUND, "there is no such service here")
        return _response(status).SerializeToString()

    async def _watch(self, request: bytes, context: Context) -> None:
        service = _service_untrusted(request)
        told = None
        while True:
            if (status := self._status(service)) != told:
                await context.write(_response(told := status).SerializeToString())
            elif self._is_stopped:
                return
            else:
                await self._changed.park()

    def _status(self, service: str) -> int:
        if service not in self._services:
            return _SERVICE_UNKNOWN
        return _NOT_SERVING if self._is_stopped or service in self._down else _SERVING


def _service_untrusted(request: bytes) -> str:
    from lightpeer.pb.grpc.health.v1 import health_pb2

    try:
        return parse_message_untrusted(health_pb2.HealthCheckRequest, request).service
    except BadMessageError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error


def _response(status: int) -> health_pb2.HealthCheckResponse:
    from lightpeer.pb.grpc.health.v1 import health_pb2

    return health_pb2.HealthCheckResponse(status=cast("health_pb2.HealthCheckResponse.ServingStatus", status))
