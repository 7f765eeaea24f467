"""Sides of a comparison from where they are kept: folders, saved baselines, experiments of MLflow."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from comparison_equipment import add, noisy, record, suite, trial, write_epochs

from bench.compare import baseline, reading
from bench.compare.compare import compare_sides, read_side
from bench.compare.differences import Fingerprint
from bench.compare.reading import FILES, _experiment, read_experiment, read_folder
from bench.compare.thresholds import Thresholds
from bench.compare.verdict import Speed
from bench.errors import InputError, ResultsError
from bench.journal.results import SuiteResults
from bench.tracking.tags_and_params import ATTEMPT_TAG, RESULTS_TAG

RIGHT = [True] * 30


def here(monkeypatch, cores: int) -> None:
    """On a machine with so many cores and the device of the records."""
    machine = Fingerprint(model="A processor", cores=cores, gpus=(), memory_gb=8)
    monkeypatch.setattr(Fingerprint, "of_machine", classmethod(lambda cls: machine))


def two(folder: Path) -> tuple[str, str]:
    """Two suites of eight attempts at two networks."""
    both = (trial("VGG16"), trial("LeNet5"))
    return tuple(
        str(suite(folder / side / "s", [(of, noisy(10, 8, seed)) for of in both], RIGHT))
        for side, seed in (("a", 0), ("b", 1))
    )


def test_two_folders_are_compared_under_the_names_that_were_given(tmp_path: Path):
    a, b = two(tmp_path)
    found = compare_sides(a, b, tmp_path, Thresholds(change=0.25), looks=tmp_path / "looks")
    assert (found.baseline, found.candidate, found.thresholds["change"]) == (a, b, 0.25)
    assert {one.label: one.pairs for one in found.trials} == {"lenet5-scratch-3e": 8, "vgg16-scratch-3e": 8}
    assert found.notes == () and [one.speed for one in found.trials] == [Speed.SAME] * 2
    (only,) = compare_sides(a, b, tmp_path, Thresholds(), only="vgg*").trials
    assert only.label.lower().startswith("vgg16")
    with pytest.raises(InputError, match=f"no trial of {a} matches --only resnet"):
        compare_sides(a, b, tmp_path, Thresholds(), only="resnet")


def test_runs_of_both_sides_and_what_is_damaged_are_noted_once(tmp_path: Path):
    a, _ = two(tmp_path)
    (Path(a) / "trials" / "stray").touch()
    found = compare_sides(a, a, tmp_path, Thresholds())
    assert found.notes == (
        "Both sides are the same runs: each is compared with itself, which shows nothing.",
        f"{a}/trials/stray does not belong to the results and is passed over.",
    )


@pytest.mark.parametrize(("cores", "speed"), [(2, Speed.SAME), (4, Speed.NOT_COMPARABLE)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_baseline_is_compared_in_time_on_the_machine_that_measured_it_alone(
    tmp_path: Path, monkeypatch, cores: int, speed: Speed, turned: bool
):
    a, b = two(tmp_path)
    here(monkeypatch, 2)
    baseline.save(tmp_path, "v1", Path(a))
    here(monkeypatch, cores)
    assert read_side("baseline:v1", tmp_path).machine.cores == 2
    assert read_side("baseline:v1", tmp_path).name == "baseline:v1" and not read_side(b, tmp_path).machine
    sides = ("baseline:v1", b)[:: -1 if turned else 1]
    found = compare_sides(*sides, tmp_path, Thresholds(), only="vgg16")
    assert [one.speed for one in found.trials] == [speed]
    both = "4 and 2" if turned else "2 and 4"
    said = f"measured on different machines: number of cores {both}"
    assert any(said in note for note in found.trials[0].notes) is (cores == 4)
    assert baseline.refusal(baseline.find(tmp_path, "v1")) == (
        "number of cores 2 and 4" if cores == 4 else ""
    )


def test_a_measurement_has_its_journal_and_its_predictions(tmp_path: Path):
    results = SuiteResults(tmp_path, "s")
    of = trial()
    write_epochs(add(results, of, record(of), RIGHT), [1.5, 0.5])
    add(results, of, record(of, failure=("crashed", "x")))
    results.new_attempt(of)
    side = read_folder(tmp_path / "s")
    assert side.name == str(tmp_path / "s") and read_folder(tmp_path / "s", "mine").name == "mine"
    done, failed = side.measurements
    assert [(one.number, one.metrics) for one in done.epochs] == [(1, {"loss": 1.5}), (2, {"loss": 0.5})]
    assert done.predictions == tmp_path / "s" / "trials" / of.id / "attempt-1" / "predictions.csv"
    assert (failed.predictions, failed.epochs, failed.moments) == (None, (), ())


class Runs(list):
    """A page of runs, and the token of the next one."""

    token: str | None = None


class Client:
    """A store with runs of two kinds and pages; it notes what is downloaded."""

    def __init__(self, kept: Path, known: tuple[str, ...] = ("demo", "other")):
        self.kept, self.known, self.downloaded = kept, known, []
        self.pages: list[Runs] = [Runs()]

    def hold(self, attempt, tags: dict[str, str], without: tuple[str, ...] = ()) -> None:
        """Keep the files of an attempt as those of a run, on a page of its own."""
        number = str(sum(map(len, self.pages)))
        shutil.copytree(attempt.folder, self.kept / number)
        for name in without:
            (self.kept / number / name).unlink()
        page = Runs([SimpleNamespace(data=SimpleNamespace(tags=tags), info=SimpleNamespace(run_id=number))])
        self.pages[-1].token = str(len(self.pages))
        self.pages.append(page)

    def get_experiment_by_name(self, name: str):
        return SimpleNamespace(experiment_id="7/é") if name == "demo" and name in self.known else None

    def search_experiments(self, max_results: int):
        assert max_results == 500
        return [SimpleNamespace(name=name) for name in self.known]

    def search_runs(self, experiments: list[str], max_results: int, page_token: str | None):
        assert (experiments, max_results) == (["7/é"], 500)
        return self.pages[int(page_token or 0)]

    def list_artifacts(self, run: str):
        return [SimpleNamespace(path=path.name) for path in (self.kept / run).iterdir()]

    def download_artifacts(self, run: str, file: str, folder: str) -> None:
        self.downloaded.append((run, file))
        shutil.copy(self.kept / run / file, folder)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """Two attempts of one trial, one of another results folder, and runs that are none."""
    made, found = SuiteResults(tmp_path / "made", "s"), Client(tmp_path / "kept")
    of = trial()
    one = add(made, of, record(of, 10.0), RIGHT)
    write_epochs(one, [1.0])
    (one.folder / "worker.log").write_text("not needed")
    two = add(made, of, record(of, 11.0))
    for attempt, tags in (
        (one, {ATTEMPT_TAG: f"{of.id}/1"}),
        (two, {ATTEMPT_TAG: f"{of.id}/2", RESULTS_TAG: "a/b"}),
        (one, {}),
        (one, {ATTEMPT_TAG: f"{of.id}/x"}),
        (one, {ATTEMPT_TAG: "/3"}),
    ):
        found.hold(attempt, tags)
    found.hold(one, {ATTEMPT_TAG: f"{of.id}/4"}, without=("result.json",))
    return found


def test_an_experiment_is_downloaded_once_with_the_record_of_each_attempt_last(
    client: Client, tmp_path: Path
):
    of, cache = trial(), tmp_path / "cache" / "mlflow" / "7__"
    attempts = _experiment(client, "demo", tmp_path)
    assert [one.folder for one in attempts] == [
        cache / "one" / of.id / "attempt-1",
        cache / "a_b" / of.id / "attempt-2",
    ]
    assert client.downloaded == [
        *(("0", name) for name in ("predictions.csv", "events.jsonl", "result.json")),
        ("1", "result.json"),
    ]
    assert (
        {name for _, name in client.downloaded}
        < set(FILES)
        == {*("result.json", "events.jsonl", "runner.jsonl", "predictions.csv")}
    )
    client.downloaded.clear()
    assert _experiment(client, "demo", tmp_path) == attempts and client.downloaded == []
    attempts[1].result.write_text("{torn")
    assert _experiment(client, "demo", tmp_path) == attempts and client.downloaded == [("1", "result.json")]


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("demi", ("demo", "other"), "did you mean demo?"),
        ("xyz", ("other", "demo"), "There are demo, other."),
        ("xyz", (), "There are none."),
    ],
)
def test_an_experiment_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, name, known, hint: str):
    with pytest.raises(InputError) as caught:
        _experiment(Client(tmp_path, known), name, tmp_path)
    assert (caught.value.what, caught.value.way_out) == (f"MLflow has no experiment {name!r}", hint)


def connected(monkeypatch, client, asked: list[str]) -> None:
    """MLflow at an address, without its package."""
    uri = "postgresql://me:secret@db/x"
    monkeypatch.setattr(reading, "apply_settings", lambda results: uri)
    monkeypatch.setattr(reading, "check_version", asked.append)
    opened = SimpleNamespace(MlflowClient=lambda tracking_uri: asked.append(tracking_uri) or client)
    monkeypatch.setitem(sys.modules, "mlflow", opened)


def test_an_experiment_is_a_side(client: Client, tmp_path: Path, monkeypatch):
    asked: list[str] = []
    connected(monkeypatch, client, asked)
    side = read_side("mlflow:demo", tmp_path)
    assert side.name == "mlflow:demo" and asked == ["postgresql://me:secret@db/x"] * 2
    assert [one.record.attempt for one in side.measurements] == [1, 2]
    with pytest.raises(InputError, match="MLflow has no experiment 'demos'"):
        read_experiment("mlflow:demos", tmp_path)


def test_a_store_that_cannot_be_read_is_told_without_its_password(tmp_path: Path, monkeypatch):
    def refuses(name: str):
        raise OSError("no answer\n  from x://me:secret@db " + "y" * 400)

    connected(monkeypatch, SimpleNamespace(get_experiment_by_name=refuses), [])
    with pytest.raises(ResultsError) as caught:
        read_experiment("mlflow:demo", tmp_path)
    said = ("no answer from x://***@db " + "y" * 400)[:300]
    assert caught.value.what == f"MLflow at postgresql://***@db/x cannot be read: {said}"


def test_a_results_folder_without_a_store_gets_none(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(reading, "apply_settings", lambda results: "uri")
    monkeypatch.setattr(reading, "own_store", lambda results, uri: results / "mlflow.db")
    with pytest.raises(InputError, match=f"{tmp_path} has no MLflow store"):
        read_experiment("mlflow:demo", tmp_path)


def test_a_note_of_a_baseline_that_is_damaged_makes_it_a_folder(tmp_path: Path, monkeypatch):
    a, _ = two(tmp_path)
    here(monkeypatch, 2)
    kept = baseline.save(tmp_path, "v1", Path(a))
    note = msgspec.json.decode((kept.folder / "baseline.json").read_bytes())
    assert note["machine"]["cores"] == 2 and note["attempts"] == 16
    (kept.folder / "baseline.json").write_text("[]")
    assert not read_side(str(kept.folder), tmp_path).machine
