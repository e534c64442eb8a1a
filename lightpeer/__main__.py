"""Where the `lightpeer` command begins, before anything that takes time to import.

`--version` is answered from here. Ctrl-C is caught here too, because it may come
while the modules behind the command are still being imported. What modules are made
of is no garbage: looking for some in it takes a tenth of a short command's time.
"""

import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells count
COLLECT_AFTER_OBJECTS = 50_000  # more than all imports make; as garbage a few megabytes


def main() -> int:
    """Run the command that the process was started with; return its exit status."""
    try:
        if sys.argv[1:] == ["--version"]:
            from lightpeer.version import VERSION

            sys.stdout.write(f"lightpeer {VERSION}\n")
            return 0
        import atexit
        import gc

        gc.set_threshold(COLLECT_AFTER_OBJECTS)
        atexit.register(gc.freeze)  # nor is it worth looking through at the end
        from lightpeer.cli.main import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
