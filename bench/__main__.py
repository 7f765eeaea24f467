"""`leukobench` and `python -m bench`: the one place that exits."""

import sys


def run() -> int:
    """Run the command line of this process.

    Returns:
        The exit code, see `bench.errors.ExitCode`.
    """
    from bench.worker.startup import own_packages_first

    try:
        own_packages_first()
        from bench.commands.main import main

        return main()
    except KeyboardInterrupt:  # before anything began
        return 130


if __name__ == "__main__":
    sys.exit(run())
