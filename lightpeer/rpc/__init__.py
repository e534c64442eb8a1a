"""gRPC on trio, channel and server, in the manner of grpcio's aio API."""
