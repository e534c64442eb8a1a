"""gRPC over HTTP/2 without I/O: both halves, and the connection and streams that they share."""
