"""What the documentation names is there, what is there is named, and examples work."""

import re
import shlex
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.main import get_command

from bench.commands.main import app
from bench.compare.betting import least_pairs
from bench.compare.thresholds import Thresholds
from bench.errors import ExitCode
from bench.records import disturbance
from bench.suite.combination import DEFAULTS
from bench.suite.file import shipped_suites
from bench.suite.resolve import DEFAULT_WEIGHTS
from bench.suite.schema import (
    CacheTable,
    DataTable,
    DevicesTable,
    LimitsTable,
    MatrixBlock,
    ProfileTable,
    SuiteFile,
    SuiteTable,
    Table,
    TelemetryTable,
    ThesisTable,
    TrainingTable,
    WeightsTable,
)
from bench.trials.layout import FEATURES
from bench.trials.measured import Memory, Profile, StepMemory, Utilization, Work
from bench.trials.phases import Phases, TrainPhase
from wbc.data.bccd.importing import BccdSettings
from wbc.data.reading import PLAIN
from wbc.data.synthetic import SyntheticSettings
from wbc.specification import USUAL_AUGMENTATION, EarlyStopping

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
TABLES: dict[str, type[Table]] = {
    "suite": SuiteTable,
    "data": DataTable,
    "training": TrainingTable,
    "thesis": ThesisTable,
    "weights": WeightsTable,
    "devices": DevicesTable,
    "limits": LimitsTable,
    "telemetry": TelemetryTable,
    "profile": ProfileTable,
    "cache": CacheTable,
}
TERMS = """suite, trial, attempt, configuration, sweep, replicate, pair, baseline, candidate, split, source,
near-duplicate, leak, synthetic, override, resume, journal, time to result, reference work, disturbed, margin,
smallest effect, inconclusive, metric, cell"""


def documented(title: str) -> set[str]:
    """The keys in the first column of a section's table."""
    text = (DOCS / "suite.md").read_text()
    section = re.search(rf"^## `\[+{title}\]+`\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    rows = [line.split(" | ")[0] for line in section[1].splitlines() if line.startswith("| `")]
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


def blocks(language: str) -> list:
    """Every example in a language, named by its page and number."""
    found = []
    for page in PAGES:
        texts = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)
        found += [pytest.param(text, id=f"{page.name}-{number}") for number, text in enumerate(texts, 1)]
    return found


def test_every_table_of_a_suite_has_a_section():
    assert set(SuiteFile.model_fields) == {*TABLES, "matrix"}


def test_every_key_of_a_suite_is_documented_and_no_other():
    for title, table in TABLES.items():
        assert documented(title) - {"preprocessing"} == set(table.model_fields) - {"preprocessing"}, title
    own = set(MatrixBlock.model_fields) - set(DataTable.model_fields) - set(TrainingTable.model_fields)
    assert documented("matrix") == own


WORDS = {"", "all", "any", "derived", "empty", "none", "of the protocol", "the file's name"}
"""Stand for what no value can be given for; the code has None there, or nothing."""
ELSEWHERE = {
    "data.source": '`"synthetic"`; with `path` `"folder"`',
    "data.train_images_per_class": "`60`; BCCD: as many as the largest class has",
    "training.optimizer": "RMSprop at 1e-5, as in the thesis",
    "training.finetune_optimizer": "a tenth of the rate",
    "weights.path": f'`"{DEFAULT_WEIGHTS}"` if it exists',
    "cache.path": f"`cache/{FEATURES}` in the results folder",
}
"""Defaults that are more than a value; tests of the matrix have those of the optimizers."""


def documented_defaults(title: str) -> dict[str, str]:
    """Key -> its default, as a section's table has it."""
    text = (DOCS / "suite.md").read_text()
    section = text.split(f"\n## `[{title}]`\n")[1].split("\n## ")[0]
    found = {}
    for row in re.findall(r"^\| (`.*) \|$", section, re.M):
        keys, default, _ = re.split(r" ?\| ", row)
        names = re.findall(r"`(\w+)`", keys)
        each = default.split(", ") if len(names) > 1 and ", " in default else [default] * len(names)
        found |= {f"{title}.{name}": one.strip() for name, one in zip(names, each, strict=True)}
    return found


@pytest.mark.parametrize("title", TABLES)
def test_a_documented_default_is_that_of_the_code(title: str):
    table = TABLES[title]
    usual = {name: field.get_default() for name, field in table.model_fields.items()}
    if title in ("data", "training", "thesis"):
        usual |= asdict(PLAIN) | asdict(BccdSettings()) | asdict(SyntheticSettings()) | DEFAULTS
    for key, said in documented_defaults(title).items():
        name = key.partition(".")[2]
        if key in ELSEWHERE:
            assert said == ELSEWHERE[key]
        elif said in WORDS:
            assert not usual[name] or said == "of the protocol", key
        else:
            (given,) = re.fullmatch("`(.*)`", said).groups()
            value = tomllib.loads(f"value = {given}")["value"]
            if title in ("data", "training", "thesis"):
                assert value == getattr(usual[name], "name", usual[name]), key
            else:
                assert getattr(table.model_validate({name: value}), name) == usual[name], key


def test_what_true_means_is_documented():
    text = " ".join((DOCS / "suite.md").read_text().split())
    kept = (
        f'{{ patience = {EarlyStopping.patience}, monitor = "{EarlyStopping.monitor}", restore_best = true }}'
    )
    assert kept in text and EarlyStopping.restore_best
    usual = USUAL_AUGMENTATION
    assert (
        f"`true` means {usual.rotation:g} degrees, shift {usual.shift:g}, both flips, "
        f"brightness {usual.brightness:g}, contrast {usual.contrast:g} and saturation {usual.saturation:g}."
    ) in text
    assert (usual.flip_horizontal, usual.flip_vertical, usual.zoom) == (True, True, 0)


@pytest.mark.parametrize("text", blocks("toml"))
def test_an_example_of_a_suite_is_valid(text: str):
    SuiteFile.model_validate(tomllib.loads(text))


@pytest.mark.parametrize("text", blocks("sh"))
def test_an_example_of_the_command_line_is_understood(text: str):
    lines = text.replace("\\\n", " ").splitlines()
    for line in (line for line in lines if line.startswith("leukobench")):
        command, words = get_command(app), shlex.split(line, comments=True)[1:]
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            command = command.commands[words.pop(0)]
        if words != ["--version"]:
            command.make_context("leukobench", words)


@pytest.mark.parametrize(
    ("page", "title", "types"),
    [
        ("work.md", "## Work", [Work]),
        ("work.md", "## Memory", [Memory, StepMemory]),
        ("work.md", "## Utilization", [Utilization]),
        ("measuring.md", "## Phases", [Phases, TrainPhase]),
        ("measuring.md", "## Profile", [Profile]),
    ],
)
def test_fields_of_records_in_the_first_column_of_a_table_exist(page: str, title: str, types: list[type]):
    text = (DOCS / page).read_text().split(f"\n{title}\n")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    said = {name.removeprefix("analytic.") for name in re.findall(r"`([\w.]+)`", " ".join(rows))}
    assert said, title
    assert said <= {field for one in types for field in one.__struct_fields__}


def test_links_between_files_lead_somewhere():
    """Sphinx checks those within `docs/` as well, but not those of the other pages."""
    others = [REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "results").glob("**/README.md")]
    for page in [*PAGES, *others]:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in link:
                continue
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {link}"
            if anchor and target.name != "command-line.md":
                headings = re.findall(r"^#+ (.*)$", target.read_text(), re.M)
                slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in slugs, f"{page.name}: {link}"


def test_commands_within_text_exist():
    known = set(get_command(app).commands)
    for page in PAGES:
        said = set(re.findall(r"`leukobench ([a-z]+)", page.read_text()))
        assert said <= known, page.name


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.M))
    for page in PAGES:
        text = page.read_text()
        commands = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S))
        said = {*re.findall(r"`make ([a-z-]+)", text), *re.findall(r"^make ([a-z-]+)", commands, re.M)}
        assert said <= targets, page.name


def test_every_room_of_the_harness_is_described_and_no_other():
    text = (DOCS / "architecture.md").read_text()
    rooms = {path.parent.name for path in (REPOSITORY / "bench").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", text, re.M)) == rooms


def test_the_thresholds_of_disturbed_trials_are_documented():
    """Those that the rules have at their edges, see test_telemetry_disturbance."""
    text = " ".join((DOCS / "telemetry.md").read_text().split("## Disturbed trials")[1].split())

    def percent(share: float) -> str:
        return f"{100 * share:g} %"

    for sentence in (
        f"({', '.join(f'`{phase}`' for phase in disturbance.TIMED)})",
        f"others used more than {percent(disturbance.FOREIGN_SHARE)} of its cores",
        f"in more than {percent(disturbance.CONTENDED_SHARE)} of the phase",
        f"other virtual machines took more than {percent(disturbance.STEAL_SHARE)} of its cores",
        f"held it back for more than {percent(disturbance.QUOTA_SHARE)} of the phase",
        f"held a GPU back for more than {percent(disturbance.THROTTLED_SHARE)};",
        f"was more than {percent(disturbance.REFERENCE_DROP)} slower than its calibrated best, both before and",
        f"if one of the two did {percent(disturbance.CLOCK_DROP)} less in a cycle",
    ):
        assert sentence in text, sentence
    assert (disturbance.FOREIGN_CORES, round(1 - disturbance.SATURATED, 9)) == (1 / 4, 1 / 10)
    assert "or a quarter of a core while less than a tenth was free" in text


def test_the_bars_of_verdicts_are_documented():
    text = " ".join((DOCS / "verdicts.md").read_text().split())
    usual = Thresholds()
    for sentence in (
        f"The shares are {usual.alpha_speed:.0%} for speed, {usual.alpha_memory:.0%} for memory and "
        f"{usual.alpha_learning:.0%} for learning.",
        f"in at most {usual.alpha:.0%} of all cases. That holds for everything together",
        f"called the same in at most {usual.alpha_same:.0%} of all cases",
        f"the change is estimated at {usual.change:.0%} or more (`--change`)",
        f"({100 * usual.margin:g} points of accuracy, `--margin`; {usual.loss_margin:g} nats of test loss)",
        f"Each must reach {usual.bar_same:.0f}.",
    ):
        assert sentence.replace("%", " %") in text, sentence
    for name, dimension, worse in (
        ("slower", "speed", True),
        ("faster", "speed", False),
        ("larger", "memory", True),
        ("smaller", "memory", False),
    ):
        bars = [usual.bar(dimension, trials, worse) for trials in (1, 6)]
        said = [f"{bar:,.0f}: {least_pairs(bar)} pairs" for bar in bars]
        assert f"| {name} | {' | '.join(said)} |" in text


def test_every_exit_code_is_documented_and_no_other():
    text = (DOCS / "exit-codes.md").read_text()
    rows = re.findall(r"^\| ([\d, ]+) \|", text, re.M)
    assert {int(code) for row in rows for code in row.split(",")} == set(ExitCode)


def test_every_shipped_suite_is_documented_and_no_other():
    text = (DOCS / "getting-started.md").read_text()
    section = text[text.index("## Suites that come") :]
    assert set(re.findall(r"^\| `([\w-]+)` \|", section, re.M)) == set(shipped_suites())


def test_the_glossary_has_every_term():
    terms = re.findall(r"^(\w[\w -]*)\n  \S", (DOCS / "glossary.md").read_text(), re.M)
    assert {term.strip() for term in TERMS.split(",")} <= set(terms)
    assert len(terms) == len(set(terms))


def test_the_readme_can_be_read_in_a_few_minutes():
    assert len((REPOSITORY / "README.md").read_text().split()) <= 1500
