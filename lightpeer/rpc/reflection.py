"""Server reflection: the services and their definitions, so that grpcurl needs no proto files.

v1 and v1alpha are the same on the wire, so one handler answers both. Definitions come from protobuf's pool,
where the generated code has put them; only those that this server's services need are shown. As in
`health`, the messages are imported at the first question.

Source: the gRPC project's server-reflection.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.messages import parse_message_untrusted
from lightpeer.errors import BadMessageError, RpcError
from lightpeer.rpc.server import stream_stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import FileDescriptor

    from lightpeer.pb.grpc.reflection.v1 import reflection_pb2
    from lightpeer.rpc.server import Context, MethodHandler, Requests

SERVICES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class Reflection:
    """The services of a server.

    Args:
        services: full names, "package.Service"; their generated code must be imported before the first call.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._services = sorted({*services, *SERVICES})
        self._files: dict[str, FileDescriptor] = {}  # by name, including imported ones

    def handlers(self) -> dict[str, MethodHandler]:
        """Return the methods, for the server."""
        return {f"/{service}/ServerReflectionInfo": stream_stream(self._info) for service in SERVICES}

    async def _info(self, requests: Requests, context: Context) -> None:
        self._load()
        async for request in requests:
            await context.write(self._answer_untrusted(request).SerializeToString())

    def _load(self) -> None:
        if self._files:
            return
        from google.protobuf.descriptor_pool import Default

        import lightpeer.pb.grpc.health.v1.health_pb2
        import lightpeer.pb.grpc.reflection.v1.reflection_pb2
        import lightpeer.pb.grpc.reflection.v1alpha.reflection_pb2  # noqa: F401 - into the pool

        for service in self._services:
            for file in _with_imports(Default().FindFileContainingSymbol(service)):
                self._files[file.name] = file

    def _answer_untrusted(self, data: bytes) -> reflection_pb2.ServerReflectionResponse:
        """Answer one question; one without an answer gets an error in its place.

        Raises:
            RpcError: INVALID_ARGUMENT, because it is not a question.
        """
        from lightpeer.pb.grpc.reflection.v1 import reflection_pb2 as pb

        try:
            request = parse_message_untrusted(pb.ServerReflectionRequest, data)
        except BadMessageError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, str(error)) from error
        response = pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
        match request.WhichOneof("message_request"):
            case "list_services":
                services = [pb.ServiceResponse(name=name) for name in self._services]
                response.list_services_response.service.extend(services)
            case "file_by_filename":
                _give(response, self._files.get(request.file_by_filename))
            case "file_containing_symbol":
                _give(response, self._file_with(request.file_containing_symbol))
            case "file_containing_extension" | "all_extension_numbers_of_type":
                _refuse(response, StatusCode.NOT_FOUND, "there are no extensions here")
            case _:
                _refuse(response, StatusCode.INVALID_ARGUMENT, "the request asks nothing")
        return response

    def _file_with(self, symbol: str) -> FileDescriptor | None:
        """Return the file that defines a service, a method, a message or an enum."""
        from google.protobuf.descriptor_pool import Default

        for name in (symbol, symbol.rpartition(".")[0]):
            try:
                return self._files.get(Default().FindFileContainingSymbol(name).name)
            except KeyError:
                pass
        return None


def _with_imports(file: FileDescriptor) -> list[FileDescriptor]:
    return [file, *(inner for imported in file.dependencies for inner in _with_imports(imported))]


def _give(response: reflection_pb2.ServerReflectionResponse, file: FileDescriptor | None) -> None:
    if file is None:
        _refuse(response, StatusCode.NOT_FOUND, "there is no such definition here")
        return
    definitions = [each.serialized_pb for each in _with_imports(file)]
    response.file_descriptor_response.file_descriptor_proto.extend(definitions)


def _refuse(response: reflection_pb2.ServerReflectionResponse, code: StatusCode, message: str) -> None:
    response.error_response.error_code = code
    response.error_response.error_message = message
