"""gRPC's interop cases, run by and against grpcio: what its users' programs would see of ours."""
