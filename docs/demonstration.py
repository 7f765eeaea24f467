"""`make demonstration`: the table and the picture of the demonstration, from `results/demo`, into the documentation."""

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench import load_results

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS.parent / "results" / "demo"
PAGES = (DOCS.parent / "README.md", DOCS / "getting-started.md")
HEADINGS = ("network", "weights", "mode", "epochs", "accuracy %", "loss", "fit s", "result s", "images/s")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = "1200,1235"
"""Of the picture, in pixels: the head of the report, down to its table of trials."""


def table() -> str:
    """The table in Markdown, one row for each trial."""
    rows = [
        [
            *(str(row[name]) for name in ("network", "weights", "mode")),
            str(row["epochs"] or ""),  # classical methods have none
            f"{row['test_accuracy']:.1%}".rstrip("%"),
            f"{row['test_loss']:.3f}",
            f"{row['fit_s']:.1f}",
            f"{row['result_s']:.1f}",
            "" if math.isnan(row["train_images_per_s"]) else f"{row['train_images_per_s']:.0f}",
        ]
        for row in load_results(RESULTS).frame().to_dict("records")
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (HEADINGS, ["---"] * len(HEADINGS), *rows))


def main() -> str | None:
    """Write table and picture; the reason if that cannot be done."""
    disturbed = sum(bool(record.disturbed) for record in load_results(RESULTS).records())
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return f"the picture needs one of {', '.join(BROWSERS)}"
    head = re.escape(f"| {' | '.join(HEADINGS)} |\n")
    for page in PAGES:
        text, found = re.subn(rf"^{head}(?:\|.*\n)*", table(), page.read_text(), flags=re.M)
        if found != 1:
            return f"{page}: there is no table that begins with {', '.join(HEADINGS)}"
        page.write_text(text)
    command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
    page = (RESULTS / "report" / "report.html").as_uri()
    subprocess.run([*command, f"--screenshot={DOCS / 'report.png'}", page], check=True, capture_output=True)
    print(f"{len(PAGES)} tables and docs/report.png; {disturbed} trials were disturbed")
    return None


if __name__ == "__main__":
    sys.exit(main())
