"""The whole system under random faults: `python -m tests.sim.faults --seeds A:B` (see `__main__`)."""
