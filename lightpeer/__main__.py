"""The entry point of the `lightpeer` command, before any import that takes time.

`--version` is answered here. Ctrl-C is caught here too, as it may come while the command's modules are being
imported. Imported modules never become garbage, and scanning them costs a tenth of a short command's run
time.
"""

import os
import sys

COLLECT_AFTER_OBJECTS = 50_000  # more than all imports make; if they were garbage, a few megabytes
STANDARD_FILES = 3


def main() -> int:
    """Run the command that the process was started with; return its exit status."""
    open_standard_files()
    try:
        status = _run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        from lightpeer.errors import INTERRUPTED

        return INTERRUPTED
    except OSError:  # the reader of stdout has gone, which is not an error; Python would complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _run() -> int:
    if sys.argv[1:] == ["--version"]:
        from lightpeer.version import VERSION

        if sys.stdout is not None:
            sys.stdout.write(f"lightpeer {VERSION}\n")
        return 0
    import atexit
    import gc

    gc.set_threshold(COLLECT_AFTER_OBJECTS)
    atexit.register(gc.freeze)  # nor is it scanned at exit
    from lightpeer.cli.main import run

    return run(sys.argv[1:])


def open_standard_files() -> None:
    """Open those of stdin, stdout and stderr that were closed, or a socket would be taken for one of them."""
    for number in range(STANDARD_FILES):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


if __name__ == "__main__":
    sys.exit(main())
