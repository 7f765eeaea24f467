"""TEST EQUIPMENT: interpreters of several versions that only pretend to train, and take as long as they are told.

A worker that such an interpreter stands for is a real process. It writes the journal of a trial whose phases last as
long as asked, but for some noise, and ends at once.
"""

import sys
from pathlib import Path

SCRIPT = """#!{python} -SE
import json, os, random, sys
from pathlib import Path

if sys.argv[1] == "-c":  # looks at the environment
    found = {{"python": "3.11.7", "packages": {packages!r}, "settings": None, "problem": None}}
    print(json.dumps(found))
    sys.exit()
folder = Path(sys.argv[-1])
t = int(os.environ["LEUKOBENCH_SPAWNED_NS"])
lines = []

def say(event, seconds=0.0, **content):
    global t
    t += round(seconds * random.gauss(1, {noise}) * 1e9)
    lines.append(json.dumps({{"t": t, "cpu": t // 10, "event": event, **content}}))

for phase, seconds in (("startup", 1.0), ("data", 0.2), ("features", 1.0), ("train", {seconds}), ("evaluate", 0.2)):
    say("phase_started", phase=phase)
    say("phase_ended", seconds, phase=phase, figures={{}})
say("evaluated", metrics={{"accuracy": 1.0, "images": 16}})
(folder / "events.jsonl").write_text("\\n".join([*lines, ""]))
(folder / "predictions.csv").write_text("")
"""


def pretend(path: Path, seconds: float, packages: dict[str, str], noise: float = 0.02) -> Path:
    """Write an interpreter whose trials train for so many seconds.

    Args:
        path: Of the file.
        seconds: That training takes.
        packages: What it says is installed.
        noise: Standard deviation of all times, as a share.
    """
    path.write_text(SCRIPT.format(python=sys.executable, seconds=seconds, packages=packages, noise=noise))
    path.chmod(0o755)
    return path
