"""The entry point of the `lightpeer` command, before any import that takes time.

`--version` is answered here. Ctrl-C is caught here too, as it may come while the command's modules are being
imported. Imported modules never become garbage, and scanning them costs a tenth of a short command's run
time.
"""

import sys

COLLECT_AFTER_OBJECTS = 50_000  # more than all imports make; if they were garbage, a few megabytes


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
        atexit.register(gc.freeze)  # nor is it scanned at exit
        from lightpeer.cli.main import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        from lightpeer.errors import INTERRUPTED

        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
