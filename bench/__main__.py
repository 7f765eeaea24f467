"""`leukobench` and `python -m bench`: the one place that exits."""

import sys


def run() -> int:
    """Run the command line of this process.

    Returns:
        The exit code, see `bench.errors.ExitCode`.
    """
    try:
        from bench.worker.startup import own_packages_first

        own_packages_first()
        from bench.commands.main import main

        return main()
    except KeyboardInterrupt:  # before anything began
        print("error: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
