"""What a user may get wrong in a suite file: one message with the place and a way out, exit code 2."""

import os
import threading
from pathlib import Path

import pytest

from bench.commands.main import main
from bench.suite.file import line_of, load_suite, spelled
from wbc.errors import InputError

GOOD = """\
[suite]
name = "small"

[training]
mode = "scratch"
epochs = 1

[[matrix]]
backbone = "LeNet5"
"""


def suite(line: str = "", instead_of: str = "", text: str = GOOD) -> str:
    return text.replace(instead_of, line) if instead_of else text


BAD = {
    "unknown key": (
        suite("epoch = 1", "epochs = 1"),
        "line 6",
        ["training.epoch: there is no such key", "Did you mean epochs?"],
    ),
    "unknown table": (
        GOOD + '[dat]\npath = "x"\n',
        "line 10",
        ["dat: there is no such table", "Did you mean data?"],
    ),
    "unknown key unlike any": (
        suite('zzz = "x"', 'name = "small"'),
        "line 2",
        ["suite.zzz", "Known here: name, description, seeds, export, explain, save_model, targets, margin."],
    ),
    "a name that is no folder": (
        suite('name = "my müsli / 2"', 'name = "small"'),
        "line 2",
        ["suite.name: 'my müsli / 2' cannot be the name of a folder", "60 letters", "such as my-musli-2-"],
    ),
    "an accelerator without a name": (
        GOOD + '[devices]\naccelerator = ""\n',
        "line 11",
        ["devices.accelerator: is empty", "leave the key out"],
    ),
    "an accelerator that is not there": (
        GOOD + '[devices]\naccelerator = "A1000"\n',
        "line 11",
        ["devices.accelerator: no GPU here has 'A1000' in the name of its model"],
    ),
    "a folder without a name": (
        GOOD + '[weights]\npath = " "\n',
        "line 11",
        ["weights.path: is empty"],
    ),
    "unknown key of the optimizer": (
        suite('epochs = 1\noptimizer = { name = "Adam", learning_rat = 0.1 }', "epochs = 1"),
        "line 7",
        ["training.optimizer", "learning_rat", "Did you mean learning_rate?"],
    ),
    "neither a switch nor a table": (
        suite('early_stopping = "yes"', "epochs = 1"),
        "line 6",
        ["training.early_stopping: 'yes' is neither true, false nor a table of settings"],
    ),
    "unknown key of a switch's table": (
        suite("early_stopping = { patiance = 3 }", "epochs = 1"),
        "line 6",
        ["training.early_stopping", "patiance", "Did you mean patience?"],
    ),
    "neither a word nor a number": (
        suite('unfreeze = "some"', "epochs = 1"),
        "line 6",
        ["training.unfreeze: 'some' is not \"all\" or an integer of at least 1"],
    ),
    "neither a truth nor a word": (
        suite("jit_compile = 1", "epochs = 1"),
        "line 6",
        ['training.jit_compile: 1 is not true, false or "auto"'],
    ),
    "unknown key in the second block": (
        GOOD + '[[matrix]]\nbackbone = "LeNet5"\nepocs = 2\n',
        "line 12",
        ["matrix[2].epocs", "Did you mean epochs?"],
    ),
    "unknown backbone": (suite("LeNet", "LeNet5"), "line 9", ["matrix[1].backbone", "did you mean LeNet5?"]),
    "unknown option of a backbone": (
        suite('{ name = "MobileNet", alfa = 0.5 }', '"LeNet5"'),
        "line 9",
        ["matrix[1].backbone", "alfa", "did you mean alpha?"],
    ),
    "option that is no number": (
        suite('{ name = "MobileNet", alpha = nan }', '"LeNet5"'),
        "line 9",
        ["matrix[1].backbone", "alpha", "nan"],
    ),
    "unknown optimizer": (
        suite('epochs = 1\noptimizer = "RMSprob"', "epochs = 1"),
        "line 7",
        ["training.optimizer", "'RMSprob' is not one of SGD, Nesterov, RMSprop", "Did you mean RMSprop?"],
    ),
    "unknown mode": (suite("scratsh", "scratch"), "line 5", ["training.mode", "Did you mean scratch?"]),
    "text for a number": (
        suite('epochs = "ten"', "epochs = 1"),
        "line 6",
        ["training.epochs", "integer", "'ten'"],
    ),
    "number for text": (suite("name = 7", 'name = "small"'), "line 2", ["suite.name", "string", "7"]),
    "zero epochs": (suite("epochs = 0", "epochs = 1"), "line 6", ["training.epochs", "greater than 0"]),
    "true is no number": (
        suite("epochs = true", "epochs = 1"),
        "line 6",
        ["training.epochs", "integer", "True"],
    ),
    "name that is a path": (suite("../small", "small"), "line 2", ["suite.name", "'../small'"]),
    "empty list": (
        suite("epochs = []", "epochs = 1"),
        "line 6",
        ["training.epochs: is empty", "at least one value"],
    ),
    "empty matrix": ("matrix = []\n", "line 1", ["matrix: is empty", "at least one"]),
    "no matrix": ('[suite]\nname = "x"\n', "", ["matrix: is missing", "[[matrix]]"]),
    "nothing at all": ("", "", ["matrix: is missing", "[[matrix]]"]),
    "one bracket": (
        suite("[matrix]", "[[matrix]]"),
        "line 8",
        ["matrix: must be a list", "[[matrix]] with two brackets"],
    ),
    "block without backbone": (
        suite("epochs = 2", 'backbone = "LeNet5"'),
        "line 8",
        ["matrix[1].backbone: is missing"],
    ),
    "no TOML": (suite("epochs = = 1", "epochs = 1"), "line 6", ["is not valid TOML", "https://toml.io"]),
    "key given twice": (suite("epochs = 1\nepochs = 2", "epochs = 1"), "line 7", ["is not valid TOML"]),
    "key of another source": (GOOD + "[data]\nmargin = 0.1\n", "line 11", ["data.margin", 'source = "bccd"']),
    "text for a number in a block": (
        GOOD + 'epochs = "3"\n',
        "line 10",
        ["matrix[1].epochs", "integer", "'3'"],
    ),
    "empty list in a block": (GOOD + "epochs = []\n", "line 10", ["matrix[1].epochs: is empty"]),
    "unknown mode in a block": (
        GOOD + 'mode = "transfr"\n',
        "line 10",
        ["matrix[1].mode: 'transfr'", "Did you mean transfer?"],
    ),
    "unknown optimizer in a table": (
        suite('epochs = 1\noptimizer = { name = "Adm" }', "epochs = 1"),
        "line 7",
        ["training.optimizer", "Did you mean Adam?"],
    ),
    "backbone in other capitals": (suite("lenet5", "LeNet5"), "line 9", ["did you mean LeNet5?"]),
    "text without its end": (suite('"LeNet5', '"LeNet5"'), "line 9", ["is not valid TOML"]),
    "split of synthetic images": (
        GOOD + "[data]\nsplit_seed = 1\n",
        "line 11",
        ["data.split_seed", 'source = "bccd"'],
    ),
    "path that leads nowhere": (GOOD + '[data]\npath = "nowhere"\n', "", ["nowhere"]),
    "synthetic images and a folder": (
        GOOD + '[data]\nsource = "synthetic"\npath = "x"\n',
        "line 11",
        ["data.source", "folder of images is named too"],
    ),
    "images too small": (
        suite("Xception", "LeNet5") + "[data]\nimage_size = 64\n",
        "line 11",
        ["data.image_size", "Xception", "71 x 71"],
    ),
    "weights that are not there": (
        suite("transfer", "scratch") + 'weights = "gone.h5"\n',
        "line 10",
        ["matrix[1].weights", "gone.h5"],
    ),
    "source without its path": (
        GOOD + '[data]\nsource = "folder"\n',
        "",
        ['source = "folder" needs a path', "--data"],
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path


def refused(capsys: pytest.CaptureFixture, folder: Path, *arguments: str) -> str:
    """The message of a command line that must fail as the user's mistake and leave nothing behind."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code = main(list(arguments))
    captured = capsys.readouterr()
    assert code == 2, captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return captured.err


@pytest.mark.parametrize("verb", ["plan", "run"])
@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, verb: str, folder: Path, capsys: pytest.CaptureFixture):
    text, line, said = BAD[name]
    (folder / "mine.toml").write_text(text)
    message = refused(capsys, folder, verb, "mine.toml")
    for part in ("mine.toml", line, *said):
        assert part in message
    assert "pydantic" not in message


def test_the_table_is_made_of_changes_to_a_good_suite(folder: Path, capsys: pytest.CaptureFixture):
    (folder / "mine.toml").write_text(GOOD)
    assert main(["plan", "mine.toml"]) == 0
    assert "1 to run, 0 done." in capsys.readouterr().out
    assert [path.name for path in folder.iterdir()] == ["mine.toml"]
    assert all(text != GOOD for text, *_ in BAD.values())


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_missing_file(verb: str, folder: Path, capsys: pytest.CaptureFixture):
    message = refused(capsys, folder, verb, "nowhere.toml")
    assert "there is no suite nowhere.toml" in message
    assert "come with leukobench: bccd, classical, demo" in message


def test_missing_file_with_a_similar_name_beside_it(folder: Path, capsys: pytest.CaptureFixture):
    (folder / "thesis.toml").write_text(GOOD)
    (folder / "tiny.toml").write_text(GOOD)
    assert "did you mean thesis.toml?" in refused(capsys, folder, "plan", "tesis.toml")
    assert "did you mean" not in refused(capsys, folder, "plan", "nosuch.toml")


def test_a_name_that_is_neither_folder_nor_suite(folder: Path, capsys: pytest.CaptureFixture):
    message = refused(capsys, folder, "report", "results/nosuch")
    assert "there is neither a folder nor a suite results/nosuch" in message and "did you mean" not in message
    (folder / "results" / "demo" / "trials").mkdir(parents=True)
    assert "did you mean results/demo?" in refused(capsys, folder, "report", "results/dmeo")
    (folder / "thesis.toml").write_text(GOOD)
    assert "did you mean thesis.toml?" in refused(capsys, folder, "report", "tesis.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"name = '\xe4'"])
def test_a_file_that_is_no_text(content: bytes, folder: Path, capsys: pytest.CaptureFixture):
    (folder / "mine.toml").write_bytes(content)
    message = refused(capsys, folder, "plan", "mine.toml")
    assert "mine.toml cannot be read" in message
    assert "UTF-8" in message


def test_a_pipe_is_read_once(folder: Path, capsys: pytest.CaptureFixture):
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(GOOD,))
    writer.start()
    assert main(["plan", str(pipe)]) == 0
    writer.join()
    assert "1 to run, 0 done." in capsys.readouterr().out


ODD_FOLDERS = {"zero byte": "a\\u0000b", "too long": "x" * 5000, "nobody's home": "~nobody-at-all/trials"}


@pytest.mark.parametrize("name", ODD_FOLDERS)
@pytest.mark.parametrize("table", ["data", "weights"])
def test_folders_that_are_none(name: str, table: str, folder: Path, capsys: pytest.CaptureFixture):
    (folder / "mine.toml").write_text(f'{GOOD}[{table}]\npath = "{ODD_FOLDERS[name]}"\n')
    assert f"mine.toml, line 11: {table}.path: the folder" in refused(capsys, folder, "plan", "mine.toml")


def test_images_that_are_nowhere_name_the_key_or_the_option(folder: Path, capsys: pytest.CaptureFixture):
    (folder / "mine.toml").write_text(f'{GOOD}[data]\npath = "nowhere"\n')
    assert "mine.toml, line 11: data.path: " in refused(capsys, folder, "plan", "mine.toml")
    assert "--data: " in refused(capsys, folder, "plan", "mine.toml", "--data", "elsewhere")


def test_a_number_of_slots_that_nobody_can_count(folder: Path, capsys: pytest.CaptureFixture):
    (folder / "mine.toml").write_text(GOOD)
    assert "there is no device" in refused(
        capsys, folder, "plan", "mine.toml", "--devices", "cpu:" + "9" * 5000
    )


def test_a_folder_for_a_file(folder: Path, capsys: pytest.CaptureFixture):
    assert ". holds no trials, so it is no results folder" in refused(capsys, folder, "plan", ".")


def test_further_problems_are_counted(folder: Path):
    path = folder / "mine.toml"
    path.write_text('[training]\nepochs = "ten"\nmode = "sratch"\nzzz = 1\n[[matrix]]\nbackbone = "LeNet5"\n')
    with pytest.raises(InputError, match="There are 2 more problems"):
        load_suite(path)


def test_keys_are_spelled_as_people_count():
    assert spelled(("matrix", 0, "backbone")) == "matrix[1].backbone"
    assert spelled(()) == ""


TABLES = """\
a = 1
[t] # comment
x.y = 2
"odd key" = 3
[[m]]
k = 1
[[ m ]]
k = 2
"""

LISTS = """\
# first
[a]
x = 1
[[m]]
y = 2
[[m]]
y = [
  3,
]
z.w = 4
"""


BLOCKS = """[[m]]
[m.optimizer]
name = 1
[[m]]
a = 2
[m.optimizer]
name = 3
[[n]]
[n.optimizer]
name = 4
"""


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        (TABLES, ("a",), 1),
        (TABLES, ("t",), 2),
        (TABLES, ("t", "odd key"), 4),
        (TABLES, ("t", "x", "y"), 3),
        (TABLES, ("m", 0, "k"), 6),
        (TABLES, ("m", 1, "k"), 8),
        (TABLES, ("m", 1, "other"), 7),
        (TABLES, ("m", 1, "k", 0, "name"), 8),
        (TABLES, ("nowhere",), None),
        (LISTS, ("a", "x"), 3),
        (LISTS, ("m", 0, "y"), 5),
        (LISTS, ("m", 1, "y", 0), 7),
        (LISTS, ("m", 1, "z", "w"), 10),
        (LISTS, ("m", 1, "unknown"), 6),
        (BLOCKS, ("m", 0, "optimizer", "name"), 3),
        (BLOCKS, ("m", 1, "optimizer", "name"), 7),
        (BLOCKS, ("m", 1, "a"), 5),
        (BLOCKS, ("n", 0, "optimizer", "name"), 10),
    ],
)
def test_lines_of_keys(text: str, path: tuple, line: int | None):
    assert line_of(text, path) == line
