"""`python -m bench`: the one place that exits."""

import sys


def _run() -> int:
    try:
        from bench.commands.main import main

        return main()
    except KeyboardInterrupt:  # before anything began
        return 130


if __name__ == "__main__":
    sys.exit(_run())
