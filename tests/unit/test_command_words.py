"""What commands make of values: times, counts, thresholds, names and cells of tables, at both sides of each edge."""

from pathlib import Path

import pytest
from scipy.stats import binom

from bench.commands import baseline, doctor, init, output, predict, regress, terminal
from bench.commands.compare import thresholds_of
from bench.commands.data.options import FolderFlags
from bench.commands.main import main
from bench.commands.options import spread
from bench.commands.progress import duration
from bench.commands.target import short_name
from bench.doctor.noise import Noise
from bench.errors import InputError
from bench.machine.calibration import Peak
from wbc.data.layout import FolderOptions
from wbc.data.reading import Reading


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89.9, "90 s"),
        (90, "2 min"),
        (3569, "59 min"),
        (3570.1, "1 h"),
        (5400, "1 h 30 min"),
        (86_369, "23 h 59 min"),
        (86_371, "1 d"),
        (90_000, "1 d 1 h"),
        (2 * 86_400, "2 d"),
    ],
)
def test_where_the_unit_of_a_duration_changes(seconds: float, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(("text", "count"), [("auto", None), ("1", 1), ("10000", 10_000)])
def test_so_many_pairs(text: str, count: int | None):
    assert regress._count(text) == count


@pytest.mark.parametrize("text", ["0", "10001", "-1", "1.5", "many", ""])
def test_no_number_of_pairs(text: str):
    with pytest.raises(InputError) as caught:
        regress._count(text)
    assert caught.value.what == f"--pairs {text} is not a number of pairs"
    assert caught.value.way_out == "Give 1 or more, or auto."


def test_a_budget_is_a_time():
    assert [regress._seconds(text) for text in ("90s", "30m", "2h", "1ms")] == [90, 1800, 7200, 0.001]
    for text, what, way_out in (
        ("0s", "--budget is 0s", "Give a time such as 30m, 2h or 90s."),
        ("30", "--budget: '30' is not a time", 'Write "30s", "90m", "12h" or "2d".'),
    ):
        with pytest.raises(InputError) as caught:
            regress._seconds(text)
        assert (caught.value.what, caught.value.way_out) == (what, way_out)


@pytest.mark.parametrize(
    ("change", "margin", "what"),
    [(0, 2, "--change is 0"), (100, 2, "--change is 100"), (5, 0, "--margin is 0"), (5, 100.5, "--margin is 100.5")],
)  # fmt: skip
def test_thresholds_are_between_0_and_100(change: float, margin: float, what: str):
    with pytest.raises(InputError) as caught:
        thresholds_of(change, margin)
    assert (caught.value.what, caught.value.way_out) == (what, "Give a number between 0 and 100.")
    found = thresholds_of(99.9, 0.5)
    assert (found.change, found.margin) == (pytest.approx(0.999), 0.005)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("demo", "demo"),
        ("a/b/c/d", "b-c-d"),
        ("baseline:v1", "baseline-v1"),
        ("tensorflow==2.20.0+cpu", "tensorflow-2.20.0+cpu"),
        ("..", "side"),
        ("", "side"),
        ("../x", "x"),
        ("x" * 61 + "yz", "x" * 58 + "yz"),
    ],
)
def test_a_part_of_the_name_of_a_folder(given: str, name: str):
    assert short_name(given) == name


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my cells (2)", "my-cells-2"), ("_.a.-", "a"), ("---", "my-images"), ("x" * 61, "x" * 60), ("a_B.9", "a_B.9")],
)  # fmt: skip
def test_the_name_of_a_first_suite(folder: str, name: str):
    assert init._name(folder) == name


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        (["--versions", "2.20", "2.21", "-q", "x"], ["--versions", "2.20", "--versions", "2.21", "-q", "x"]),
        (["--versions", "1", "--versions", "2"], ["--versions", "1", "--versions", "2"]),
        (["--versions=1", "2"], ["--versions=1", "--versions", "2"]),
        (["demo", "--only", "a", "b"], ["demo", "--only", "a", "b"]),
        ([], []),
    ],
)
def test_a_list_goes_on_to_the_next_option(given: list[str], parsed: list[str]):
    assert spread(given) == parsed


@pytest.mark.parametrize(
    ("heading", "shown"),
    [
        ("LYMPHOCYTE %", "LYMPHOCYTE %"),
        ("NEUTROPHILS %", "NEUTROPHI. %"),
        ("time to a result", "time to a result"),
    ],
)
def test_a_long_name_of_a_class_is_cut(heading: str, shown: str):
    assert terminal._short(heading) == shown


@pytest.mark.parametrize(
    ("most", "widths"), [(44, [20, 20]), (43, [19, 20]), (42, [19, 19]), (25, [10, 11]), (24, [10, 10]), (3, [10, 10])]
)  # fmt: skip
def test_the_widest_name_is_made_narrower_first(most: int, widths: list[int]):
    found = [20, 20, 99]
    terminal._narrow([0, 1], found, most)
    assert found == [*widths, 99]


def test_means_and_lists_of_a_baseline():
    assert baseline._mean([], 1) == "—" and baseline._mean([12.345], 2) == "12.35"
    # Student's t of one degree of freedom: 12.706 * sqrt(2) / sqrt(2).
    assert baseline._mean([99.0, 101.0], 1) == "100.0 [87.3–112.7]"
    assert [baseline._plain(one) for one in (("a", "b"), [], (), 3, "x")] == [
        "a, b",
        "none",
        "none",
        "3",
        "x",
    ]


def test_what_doctor_says_of_noise_and_of_peaks():
    assert doctor._noise(Noise(mean=0.0123, worst=0.456, pressure=0.0789, steal=None)) == [
        "the same work took 1.2% longer than at its best on average, one time in a hundred 46% or more",
        "processes waited for a core in 7.9% of the time; stolen by the host of a virtual machine: unknown",
    ]
    assert [doctor._yes(one) for one in (None, True, False)] == ["unknown", "yes", "no"]
    assert doctor._by_reason({"a": "x", "b": "y", "c": "x"}) == {"x": ["a", "c"], "y": ["b"]}
    assert doctor._peak("cpu:0", None) == "cpu:0: not measured"
    plain = {"device": "A", "measured_at": "2026-03-01T08:00:00+00:00", "tensorflow": "2.21.0"}
    bare = Peak(**plain, rates={"float32": 1.2345e12}, unavailable={}, bandwidth=None)
    assert doctor._peak("gpu:0", bare) == "gpu:0: float32 1,234 GFLOP/s (2026-03-01, TensorFlow 2.21.0)"
    missing = {"float16": "no such product", "tf32": "too old"}
    full = Peak(
        **plain, rates={"float32": 2e9}, unavailable=missing, bandwidth=9.36e11, disturbed="a trial runs"
    )
    assert doctor._peak("gpu:0", full) == (
        "gpu:0: float32 2 GFLOP/s, memory 936 GB/s (2026-03-01, TensorFlow 2.21.0; not on a quiet machine: a trial "
        "runs; no float16: no such product; no tf32: too old)"
    )


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_more_unlike_images_than_chance_explains(rate: float):
    """From the first count on whose upper tail is below one in a hundred."""
    first = next(count for count in range(51) if binom.pmf(range(count, 51), 50, rate).sum() < 0.01)
    assert predict.exceeds_chance(first, 50, rate) and not predict.exceeds_chance(first - 1, 50, rate)
    assert not predict.exceeds_chance(0, 50, rate)


def test_predictions_as_a_file_of_commas():
    rows = [
        predict.Prediction("a,b.png", "x", {"x": 0.75, "y": 0.25}, None, None),
        predict.Prediction("c.png", "y", {"x": 1 / 3, "y": 2 / 3}, True, 1.23456),
        predict.Prediction("d.png", "x", {"x": 1.0, "y": 0.0}, False, 0.5),
    ]
    assert predict._as_csv(rows, ["x", "y"]) == (
        "file,predicted,unlike,distance,x,y\n"
        '"a,b.png",x,,,0.75,0.25\n'
        "c.png,y,yes,1.235,0.333333333,0.666666667\n"
        "d.png,x,no,0.5,1,0\n"
    )
    assert predict._percent((0.2512, 0.1, 0.40449)) == "25.1 [10.0 to 40.4]"


def test_what_is_said_of_a_folder_and_of_its_files():
    given = FolderFlags(4095, 10.0, "3", None, "t.csv", "f", "l", "s", "g")
    assert given.folder() == FolderOptions(None, "t.csv", "f", "l", "s", "g")
    assert FolderFlags(group="folder").folder() == FolderOptions("folder")
    assert given.reading("pad") == Reading(4095, 10.0, 3, "pad")
    assert FolderFlags(pages="max").reading() == Reading(None, 0.0, "max", "squash")
    assert (
        FolderFlags(pages="each").reading() == FolderFlags().reading() == Reading(None, 0.0, None, "squash")
    )


SYNTH, PREPARE = ("data", "synth", "to"), ("data", "prepare", "from", "to")


@pytest.mark.parametrize(
    ("verb", "option", "value", "values"),
    [
        *(
            (SYNTH, f"--{split}-per-class", "0", "greater than or equal to 1")
            for split in ("train", "validation", "test")
        ),
        *(
            (PREPARE, f"--{split}", "0", "greater than or equal to 1")
            for split in ("train", "validation", "test")
        ),
        *((verb, "--image-size", "0", "greater than or equal to 1") for verb in (SYNTH, PREPARE)),
        *(
            (verb, "--white", "-1", "greater than or equal to 0")
            for verb in (PREPARE, ("data", "check", "x"), ("init", "x"))
        ),
        (SYNTH, "--seed", "-1", "greater than or equal to 0"),
        (PREPARE, "--split-seed", "-1", "greater than or equal to 0"),
        (PREPARE, "--crop-margin", "-1", "greater than or equal to 0"),
        (PREPARE, "--crop-margin", "2.1", "less than or equal to 2"),
        (("data", "show", "x"), "--images", "0", "greater than or equal to 1"),
    ],
)
def test_the_range_of_an_option(verb: tuple[str, ...], option: str, value: str, values: str, folder, capsys):
    assert main([*verb, option, value]) == 2
    said = f"error: Invalid value for '{option}': Input should be {values}\n"
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize(
    ("given", "quiet", "verbose"),
    [((), False, False), ((True,), True, False), ((False, True), False, True), ((True, True), False, False)],
)
def test_how_much_is_printed(given: tuple[bool, ...], quiet: bool, verbose: bool, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    output.set_level(*given)
    try:
        assert (output.is_quiet(), output.is_verbose()) == (quiet, verbose)
        output.say_at_once("Loading ...")
    finally:
        output.set_level()
    assert capsys.readouterr().err == ("" if quiet else "Loading ...\n")


def test_a_document_is_indented_and_has_null_for_what_is_no_number(capsys):
    output.print_document({"a": float("nan"), "b": Path("x"), "c": [1.5]})
    assert capsys.readouterr().out == '{\n "a": null,\n "b": "x",\n "c": [\n  1.5\n ]\n}\n'
