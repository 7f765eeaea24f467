"""An interpreter whose processes have a defect."""

import os
import shlex
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def plant(path: Path, python: str = sys.executable, **defects: object) -> Path:
    """Write an executable that runs Python with defects, such as `slower=0.1`; see `sitecustomize`."""
    settings = [f"PLANTED_{name.upper()}={shlex.quote(str(value))}" for name, value in defects.items()]
    settings.append(f'PYTHONPATH={shlex.quote(str(FOLDER))}"{os.pathsep}$PYTHONPATH"')
    path.write_text(f'#!/bin/sh\n{" ".join(settings)} exec {shlex.quote(python)} "$@"\n')
    path.chmod(0o755)
    return path
