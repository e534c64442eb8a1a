"""The version, alone in a module so that `--version` need import nothing else."""

VERSION = "0.1.0"
