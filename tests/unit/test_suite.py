import json
from pathlib import Path

import pytest

from bench.commands.main import main
from bench.runtime import Runtime
from bench.suite.load import load_suite
from bench.suite.locate import line_of
from bench.suite.matrix import expand
from bench.suite.resolve import resolve_suite
from wbc.errors import InputError

RUNTIME = Runtime(wbc="w", tensorflow="2.21.0", keras="3.15.1", device="cpu")
SMALL = '[data]\nimage_size = 32\n[training]\nweights = "random"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "suite.toml"
    path.write_text(text)
    return path


def combinations(folder: Path, text: str):
    return expand(*load_suite(write(folder, text)))


def cells(folder: Path, text: str, runtime: Runtime = RUNTIME):
    return resolve_suite(write(folder, text), runtime, folder / "cache").cells


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[matrix]]\nbackbone = "LeNet5"\nepoch = 3\n', ["line 3", "epoch", "Did you mean epochs?"]),
        ('[[matrix]]\nmode = "scratch"\nbackbone = "vgg16"\n', ["line 3", "backbone", "did you mean VGG16?"]),
        ('[[matrix]]\nbackbone = "LeNet5"\nepochs = "3"\n', ["line 3", "epochs", "'3'"]),
        ('[[matrix]]\nbackbone = { name = "MobileNet", alhpa = 0.5 }\n', ["line 2", "did you mean alpha?"]),
        (
            '[[matrix]]\nbackbone = "LeNet5"\nmode = "transfr"\n',
            ["line 3", "'transfr'", "Did you mean transfer?"],
        ),
        ('[[matrix]]\nbackbone = "LeNet5"\nepochs = []\n', ["line 3", "epochs", "is empty"]),
        ("matrix = []\n", ["line 1", "matrix", "is empty"]),
        ('[suite]\nname = "x"\n', ["matrix", "is missing", "[[matrix]]"]),
        ('[matrix]\nbackbone = "LeNet5"\n', ["[[matrix]] with two brackets"]),
        (
            '[training]\noptimizer = { name = "Adm" }\n[[matrix]]\nbackbone = "LeNet5"\n',
            ["line 2", "Did you mean Adam?"],
        ),
        ('[[matrix]]\nbackbone = "LeNet5\n', ["not valid TOML", "line 2"]),
        (
            '[data]\nsplit_seed = 1\n[[matrix]]\nbackbone = "LeNet5"\n',
            ["line 2", "split_seed", 'source = "bccd"'],
        ),
        ('[data]\npath = "nowhere"\n[[matrix]]\nbackbone = "LeNet5"\n', ["nowhere"]),
        (
            '[data]\nsource = "synthetic"\npath = "x"\n[[matrix]]\nbackbone = "LeNet5"\n',
            ["line 2", "folder of images is named too"],
        ),
        ('[data]\nimage_size = 64\n[[matrix]]\nbackbone = "Xception"\n', ["line 4", "71 x 71"]),
        ('[[matrix]]\nbackbone = "LeNet5"\nweights = "gone.h5"\n', ["gone.h5"]),
    ],
)
def test_wrong_input_is_told_with_its_place_and_the_way_out(tmp_path, capsys, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, text)
    before = set(tmp_path.rglob("*"))
    assert main(["run", str(path)]) == 2
    error = capsys.readouterr().err
    for part in ("suite.toml", *said):
        assert part in error
    assert "Traceback" not in error
    assert set(tmp_path.rglob("*")) == before, "nothing may be written"


def test_a_missing_suite(capsys, tmp_path):
    assert main(["run", str(tmp_path / "none.toml")]) == 2
    assert "there is no suite" in capsys.readouterr().err


def test_lines_are_found():
    text = "# first\n[a]\nx = 1\n[[m]]\ny = 2\n[[m]]\ny = [\n  3,\n]\nz.w = 4\n"
    assert line_of(text, ("a", "x")) == 3
    assert line_of(text, ("m", 0, "y")) == 5
    assert line_of(text, ("m", 1, "y", 0)) == 7
    assert line_of(text, ("m", 1, "z", "w")) == 10
    assert line_of(text, ("m", 1, "unknown")) == 6
    assert line_of(text, ("nowhere",)) is None


def test_product_within_a_block_and_union_over_blocks(tmp_path):
    text = """
suite.seeds = [0, 1]
[[matrix]]
mode = ["transfer", "scratch"]
backbone = ["LeNet5", "VGG16"]
epochs = [1, 2]
[[matrix]]
backbone = "LeNet5"
"""
    found = combinations(tmp_path, text)
    assert len(found) == 2 * 2 * 2 * 2 + 2
    assert found[-1].training["epochs"] == 100, "the thesis' default"


def test_a_block_goes_before_the_suite_and_the_suite_before_the_default(tmp_path):
    text = """
[data]
image_size = 64
[training]
epochs = 5
batch_size = 8
[[matrix]]
backbone = "LeNet5"
epochs = 7
"""
    (one,) = combinations(tmp_path, text)
    training = one.training
    assert (training["epochs"], training["batch_size"], training["image_size"]) == (7, 8, 64)
    assert training["optimizer"].learning_rate == 1e-5
    assert one.source == "synthetic"


def test_lists_in_data_are_axes(tmp_path):
    text = '[data]\nsource = "bccd"\nsplit_seed = [0, 1, 2]\n[[matrix]]\nbackbone = "LeNet5"\n'
    assert [one.data for one in combinations(tmp_path, text)] == [{"split_seed": seed} for seed in range(3)]


def test_a_cell_named_twice_is_one_cell(tmp_path):
    block = '[[matrix]]\nbackbone = ["LeNet5", "LeNet5"]\nepochs = 1\n'
    assert len(cells(tmp_path, SMALL + block + block)) == 1


def test_the_key_is_what_was_asked_for_and_the_id_also_what_runs_it(tmp_path):
    block = '[[matrix]]\nbackbone = "LeNet5"\nepochs = {}\n'
    (one,) = cells(tmp_path, SMALL + block.format(1))
    newer = Runtime(wbc="w", tensorflow="2.22.0", keras="3.15.1", device="cpu")
    (upgraded,) = cells(tmp_path, SMALL + block.format(1), newer)
    (longer,) = cells(tmp_path, SMALL + block.format(2))
    assert (one.key == upgraded.key, one.id == upgraded.id) == (True, False)
    assert one.key != longer.key
    assert one.id.startswith("lenet5-transfer-1e-s0-")


def test_moving_weights_changes_nothing_and_other_weights_do(tmp_path):
    ids = []
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        import h5py

        folder = tmp_path / name
        folder.mkdir()
        with h5py.File(folder / "w.weights.h5", "w") as file:
            file["data"] = [content]
        text = SMALL + f'[[matrix]]\nbackbone = "LeNet5"\nweights = "{folder / "w.weights.h5"}"\n'
        ids.append(cells(tmp_path, text)[0].id)
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("name", ["demo", "thesis", "thesis-2018", "bccd"])
def test_the_suites_that_come_with_it_are_valid(name):
    suite, file = load_suite(Path(__file__).parents[2] / "suites" / f"{name}.toml")
    counts = {"demo": 8, "thesis": 24, "thesis-2018": 4, "bccd": 9}
    assert len(expand(suite, file)) == counts[name]
    assert suite.suite.name == name


def test_an_own_folder_is_validated_before_anything_starts(tmp_path, capsys):
    from PIL import Image

    for part in ("train", "validation", "test"):
        for kind in ("a", "b"):
            (tmp_path / "cells" / part / kind).mkdir(parents=True)
            Image.new("RGB", (40, 40)).save(tmp_path / "cells" / part / kind / "1.png")
    text = SMALL + '[[matrix]]\nbackbone = "LeNet5"\n'
    path = write(tmp_path, text.replace("[data]", f"[data]\npath = {json.dumps(str(tmp_path / 'cells'))}"))
    assert main(["plan", str(path), "--results", str(tmp_path / "results")]) == 0
    broken = tmp_path / "cells" / "test" / "b" / "2.png"
    broken.write_text("no image")
    assert main(["run", str(path), "--results", str(tmp_path / "results")]) == 2
    assert f"{broken} is no image" in capsys.readouterr().err
    broken.unlink()
    (tmp_path / "cells" / "test" / "b" / "1.png").unlink()
    (tmp_path / "cells" / "test" / "b").rmdir()
    assert main(["run", str(path), "--results", str(tmp_path / "results")]) == 2
    assert "class b is missing from" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_an_unsplit_folder_is_told_how_to_become_a_split_one(tmp_path, capsys):
    from PIL import Image

    for kind in ("a", "b"):
        (tmp_path / "cells" / kind).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "cells" / kind / "1.png")
    path = write(tmp_path, SMALL + '[[matrix]]\nbackbone = "LeNet5"\n')
    with pytest.raises(InputError, match="data prepare"):
        resolve_suite(
            write(tmp_path, '[data]\nsource = "folder"\n[[matrix]]\nbackbone = "LeNet5"\n'),
            RUNTIME,
            tmp_path / "cache",
            data=tmp_path / "cells",
        )
    assert path.exists()
