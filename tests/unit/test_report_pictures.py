"""Pictures of test images, what is known of the images, the order of trials and suites, and files that go."""

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.records import a_runtime, a_trial
from equipment.results.suites import thesis_suite
from PIL import Image

from bench.journal.results import SuiteResults
from bench.report.figures.figure import Figure
from bench.report.frame import trials_frame
from bench.report.mistakes import SIDE, Pictures, data_folder
from bench.report.overview import suite_lines
from bench.report.report import write_figures
from bench.report.sections import balance, images_of, independence, leaks
from bench.report.selection import recorded_ids, select_folder
from wbc.data.manifest import ImageEntry, Manifest
from wbc.files import file_sha256


def attempt(**specification: object) -> SimpleNamespace:
    return SimpleNamespace(trial=lambda: SimpleNamespace(specification=specification))


def drawn(folder: Path, name: str, size: tuple[int, int] = (200, 100)) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 100, 50)).save(path)
    return path


def test_a_picture_is_small_and_read_once(tmp_path: Path):
    path = drawn(tmp_path, "test/a.png")
    pictures, of = Pictures(), attempt(data_folder=str(tmp_path))
    shown = pictures.of(of, "test/a.png")
    head, _, content = shown.partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert (
        head == "data:image/jpeg;base64"
        and (image.format, image.size) == ("JPEG", (SIDE, SIDE // 2))
        and SIDE == 84
    )
    path.unlink()
    assert pictures.of(of, "test/a.png") == shown and pictures.missing == set()
    assert pictures.of(of, "test/b.png") is None and pictures.of(attempt(), "c.png") is None
    assert pictures.missing == {"test/b.png", "c.png"}
    assert data_folder(of) == tmp_path and data_folder(attempt()) is None


@pytest.mark.parametrize(
    ("split", "sha256", "shown"), [("test", "", True), ("test", "0", False), ("train", "0", True)]
)
def test_a_test_image_that_is_not_the_same_any_more_is_not_shown(
    tmp_path: Path, split: str, sha256: str, shown: bool
):
    path = drawn(tmp_path, "x/a.png")
    Manifest((ImageEntry("x/a.png", split, "A", "a", sha256 or file_sha256(path)),), ("A",)).write(tmp_path)
    of = attempt(data_folder=str(tmp_path), manifest=str(tmp_path / "manifest.json"))
    assert (Pictures().of(of, "x/a.png") is not None) is shown
    (tmp_path / "manifest.json").write_text("{")
    assert Pictures().of(of, "x/a.png") is not None, "without a manifest nothing speaks against it"


def test_what_is_known_of_the_images(tmp_path: Path):
    entries = [
        ("train", "A", "1"),
        ("train", "A", "2"),
        ("train", "B", "3"),
        ("test", "A", "4"),
        ("test", "B", "4"),
    ]
    images = tuple(ImageEntry(f"{n}.png", *entry, f"hash {n}") for n, entry in enumerate(entries))
    manifest = Manifest(images, ("A", "B", "C"))
    manifest.write(tmp_path)
    asked: list[str] = []
    pictures = SimpleNamespace(
        of=lambda attempt, file: asked.append(file) or (None if file == "2.png" else file)
    )
    of = attempt(data_folder="/cells", manifest=str(tmp_path / "manifest.json"))
    found = images_of(of, pictures)
    assert found.headings == ["split", "A", "B", "C", "images", "sources"]
    assert found.rows == [["train", "2", "1", "0", "3", "3"], ["test", "1", "1", "0", "2", "1"]]
    assert found.said == [balance(manifest), independence(manifest), leaks(manifest, "/cells")] and all(
        found.said
    )
    assert asked == ["0.png", "2.png"] and found.examples == [("A", "0.png")]
    assert (
        leaks(manifest, "FOLDER")
        == images_of(attempt(manifest=str(tmp_path / "manifest.json")), pictures).said[2]
    )
    for wrong in (attempt(), attempt(manifest=str(tmp_path / "nowhere.json"))):
        assert images_of(wrong, pictures) is None
    Manifest((), ("A",)).write(tmp_path)
    assert images_of(of, pictures) is None


def test_trials_of_a_folder_come_in_the_order_in_which_they_started(tmp_path: Path):
    results = SuiteResults(tmp_path, "s")
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0}
    course = Course(seconds, 0.5, 3.0, None, failure=("crashed", "killed"), stopped_at=1)
    trials = [trial_of(network, "scratch", 3) for network in ("VGG16", "ResNet50", "AlexNet")]
    for trial, seed in zip(trials, (3, 1, 2), strict=True):
        write_attempt(results, trial, course, seed=seed)
    assert select_folder(results.folder).trial_ids == [trials[1].id, trials[2].id, trials[0].id]


def test_a_trial_stands_where_its_first_attempt_began_and_counts_from_its_last_one(tmp_path: Path):
    """Two trials that were asked for alike, by two versions, and another one; none is done."""
    results = SuiteResults(tmp_path, "s")
    old, new = (a_runtime(tensorflow=version) for version in ("2.21.0", "2.22.0"))
    older, newer = (a_trial("VGG16", by, weights={"name": "mine", "sha256": "0123"}) for by in (old, new))
    other = a_trial("AlexNet")
    for of, days in ((older, (1, 9)), (newer, (5,)), (other, (3,))):
        for day in days:
            at = f"2026-01-0{day}T00:00:00.000+00:00"
            results.new_attempt(of).runner_events.write_text(
                json.dumps({"event": "started", "at": at}) + "\n"
            )
    assert select_folder(results.folder).trial_ids == [older.id, other.id]
    first = results.attempts(older.id)[0]
    (first.folder / "trial.json").write_text("torn")
    assert select_folder(results.folder).trial_ids == [older.id, other.id]
    assert recorded_ids(results, [a_trial("VGG16", old, weights={"name": "mine"})]) == [older.id]
    assert trials_frame(results, [older.id])["attempt"].tolist() == [2]


def test_the_suite_that_ran_last_comes_first(tmp_path: Path):
    plan = (("transfer", 9), ("scratch", 9), ("transfer", 8))
    thesis_suite(tmp_path, networks=("VGG16",), plan=plan, cells_a_class=2, telemetry=False)
    (tmp_path / "thesis").rename(tmp_path / "a later one")
    thesis_suite(tmp_path, networks=("VGG16",), plan=plan[:1], cells_a_class=2, telemetry=False)
    lines = suite_lines(tmp_path)
    assert [(line.suite, line.done, line.total, line.last) for line in lines] == [
        ("a later one", 3, 3, "2026-03-01 08:20"),
        ("thesis", 1, 1, "2026-03-01 08:16"),
    ]


def test_figures_of_an_earlier_report_go(tmp_path: Path):
    folder = tmp_path / "figures"
    folder.mkdir()
    for name in ("old.html", "notes.txt"):
        (folder / name).touch()
    (folder / "plotly.min.js").write_text("kept")
    assert write_figures([Figure("a", "A figure", [])], tmp_path) == [folder / "a.html"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.html", "notes.txt", "plotly.min.js"]
    assert (folder / "plotly.min.js").read_text() == "kept" and "A figure" in (folder / "a.html").read_text()
