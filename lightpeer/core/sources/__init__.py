"""The sources of one track: how many are asked, by UDP or gRPC, when others are looked for."""
