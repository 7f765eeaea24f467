"""Look at an environment from within; run by its own interpreter, standard library only.

`python -c SOURCE MODULE...` imports the modules, in the order given, and prints a line of JSON:
`python` (its version), `packages` (name -> version), `settings` (the fields of `wbc`'s specification, or
None), and `problem` (why a module cannot be imported, or None).
"""

import dataclasses
import importlib
import json
import os
import platform
import re
import sys
from importlib import metadata


def main(modules: list[str]) -> None:
    """Print what is found."""
    # As the worker does it: what else is on PYTHONPATH, behind the side's own code, is searched last.
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)[1:]:
        if entry in sys.path and not entry.startswith(sys.prefix):
            sys.path[:] = [*(path for path in sys.path if path != entry), entry]
    packages: dict[str, str] = {}
    for distribution in metadata.distributions():
        if name := distribution.metadata["Name"]:
            packages.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    problem = None
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            problem = " ".join(f"{module} cannot be imported: {type(error).__name__}: {error}".split())[:500]
            break
    try:
        from wbc.specification import Specification

        settings = [field.name for field in dataclasses.fields(Specification)]
    except Exception:  # what it lacks shows when a trial runs
        settings = None
    found = {
        "python": platform.python_version(),
        "packages": packages,
        "settings": settings,
        "problem": problem,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
