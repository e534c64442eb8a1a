"""The server role: library, index, gRPC server half, stream sender. The light client never imports it."""
