"""What a suite is refused with, to the word: the place, what is wrong and the way out."""

from pathlib import Path

import pytest

from bench.suite import resolve
from bench.suite.file import load_suite, name_of
from bench.suite.matrix import expand
from bench.suite.resolve import resolve_suite
from bench.trials import layout
from bench.trials.settings import Runtime
from wbc.errors import InputError
from wbc.specification import WeightsSource

RUNTIME = Runtime(wbc="0123", tensorflow="2.16.1", keras="3.3.3", device="one processor")
NETWORK = '[[matrix]]\nbackbone = "LeNet5"\n'
METHOD = '[[matrix]]\nbackbone = "KNN"\nmode = "classical"\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(text: str, **options) -> tuple[str, str]:
    path = Path("mine.toml")
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        if options:
            resolve_suite(path, Path("cache"), runtime=RUNTIME, **options)
        else:
            expand(*load_suite(path))
    return caught.value.what.removeprefix("mine.toml, "), caught.value.way_out


OF_NETWORKS = 'Remove it, or put it into a block with mode = "transfer" or "scratch" or "finetune".'
OF_FOLDERS = 'It belongs to source = "folder"; remove it, or name your folder: path = "FOLDER".'
NO_DATA = "has no meaning for the images of this suite"


@pytest.mark.parametrize(
    ("text", "what", "way_out"),
    [
        (METHOD + "l2 = 0.1\n", 'line 4: matrix[1].l2: has no meaning for mode = "classical"', OF_NETWORKS),
        (
            f"[training]\nl2 = 0.1\n{METHOD}",
            'line 2: training.l2: has no meaning for mode = "classical"',
            OF_NETWORKS,
        ),
        (
            '[training]\nmode = ["transfer", "scratch"]\n' + NETWORK + "unfreeze = 2\n",
            'line 5: matrix[1].unfreeze: has no meaning for mode = "transfer", "scratch"',
            'Remove it, or put it into a block with mode = "finetune".',
        ),
        (
            f'{METHOD}thesis = {{ loss = "categorical_crossentropy" }}\n',
            'line 4: matrix[1].thesis.loss: has no meaning for mode = "classical"',
            OF_NETWORKS,
        ),
        (
            f'[suite]\nexport = "onnx"\n{METHOD}',
            'line 2: suite.export: has no meaning for mode = "classical"',
            "Remove it: it is of networks alone.",
        ),
        (
            f'[suite]\nexplain = "grad-cam"\n{METHOD}[[matrix]]\nmode = "features"\nbackbone = "LeNet5"\n',
            'line 2: suite.explain: has no meaning for mode = "classical", "features"',
            "Remove it: it is of networks alone.",
        ),
        (
            f'[training]\nweights = "random"\n{NETWORK}mode = "finetune"\n',
            'line 2: training.weights: mode = "finetune" starts from pretrained weights, but these are random',
            'Name weights, or set mode = "scratch", which trains the whole network from random ones.',
        ),
        (
            f'{NETWORK}mode = "features"\nbatch_size = "largest"\n',
            'line 4: matrix[1].batch_size: "largest" has no meaning for mode = "features", which trains in no batches',
            "Give a number of images.",
        ),
        (
            f'{NETWORK}mode = "finetune"\nfinetune_optimizer = {{ name = "Adam", learning_rate = "search" }}\n',
            "line 4: matrix[1].finetune_optimizer: a learning rate is searched for the first stage only",
            "Search it in optimizer; without finetune_optimizer the second stage takes a tenth of it.",
        ),
        (
            f"{NETWORK}augmentation = true\n",
            'line 3: matrix[1].augmentation: mode = "transfer" extracts the features of each image once, so images '
            "cannot change every epoch",
            'Put it into a block with mode = "finetune" or "scratch", or let data prepare make more images.',
        ),
        (
            f'{NETWORK}loop = "compiled"\nbackend = "torch"\n',
            'line 3: matrix[1].loop: "compiled" is not for backend = "torch", which compiles no loop',
            'Set loop = "fit" for it, or backend = "tensorflow" or "jax".',
        ),
        (
            f'{NETWORK}loop = "compiled"\nsteps_per_execution = 2\n',
            'line 4: matrix[1].steps_per_execution: has no meaning for loop = "compiled", which does many steps in '
            "one call anyway",
            'Remove it, or set loop = "fit".',
        ),
        (
            f'[devices]\ngpus_per_trial = 2\n{NETWORK}loop = "compiled"\n',
            'line 5: matrix[1].loop: "compiled" trains on one device, but gpus_per_trial is 2',
            'Set loop = "fit", or gpus_per_trial = 1.',
        ),
        (
            f'[data]\nlabels = "x.csv"\n{NETWORK}',
            f"line 2: data.labels: {NO_DATA}",
            OF_FOLDERS,
        ),
        (f"[data]\nfolds = 5\n{NETWORK}", f"line 2: data.folds: {NO_DATA}", OF_FOLDERS),
        (
            f'[data]\nsource = "bccd"\nlabels = "x.csv"\n{NETWORK}',
            f"line 3: data.labels: {NO_DATA}",
            OF_FOLDERS,
        ),
        (
            f"{NETWORK}basophils = true\n",
            f"line 3: matrix[1].basophils: {NO_DATA}",
            'It belongs to source = "bccd"; remove it, or choose that source.',
        ),
        (
            f"[data]\nimage_size = {list(range(8, 81))}\n[suite]\nseeds = {list(range(137))}\n{NETWORK}",
            "line 5: matrix[1]: its lists multiply to 10,001 trials, more than 10,000",
            "Give fewer values, or make several suites of it.",
        ),
        (
            f'[data]\nsource = "synthetic"\npath = "x"\n{NETWORK}',
            'line 2: data.source: source = "synthetic" generates its images, but a folder of images is named too',
            "Remove the source to use the folder, or name no folder.",
        ),
    ],
)
def test_what_has_no_meaning_is_refused_where_it_stands(text: str, what: str, way_out: str):
    assert refused(text) == (what, way_out)


SPELLINGS = "Give all, gpu:0,gpu:1 (or UUIDs), cpu, or cpu:2 for two trials at a time."
SMALL = '[training]\nmode = "scratch"\n[data]\nimage_size = 32\n'


@pytest.mark.parametrize(
    ("text", "options", "what", "way_out"),
    [
        (
            f'{SMALL}{NETWORK}batch_size = "largest"\n',
            {"in_pairs": True},
            "line 7: matrix[1].batch_size: two versions may find room for other batches, and would not be compared at "
            "the same",
            "Give a number of images.",
        ),
        (
            f"{SMALL}{NETWORK}class_weight = {{ NOBODY = 2.0 }}\n",
            {},
            "line 7: matrix[1].class_weight: class_weight names 'NOBODY', but the classes are EOSINOPHIL, LYMPHOCYTE, "
            "MONOCYTE, NEUTROPHIL",
            "Name classes as their folders are called.",
        ),
        (
            f'[devices]\nuse = "cpu:0"\n{SMALL}{NETWORK}',
            {"devices": None},
            "line 2: devices.use: there is no device 'cpu:0'",
            SPELLINGS,
        ),
        (
            f'[devices]\nuse = "cpu:0"\n{SMALL}{NETWORK}',
            {"devices": "cpu:00"},
            "there is no device 'cpu:00'",
            SPELLINGS,
        ),
        (
            f'[training]\nmode = "scratch"\noptimizer = "thesis-footnote"\n{NETWORK}',
            {},
            "line 3: training.optimizer: footnote 8 of the thesis has no optimizer for LeNet5",
            "It has one for VGG, ResNet, DenseNet, InceptionV3 and Xception. Name an optimizer for other networks.",
        ),
        (
            f'[training]\nmode = "features"\nclassifier = "X"\nweights = "random"\n{NETWORK}',
            {},
            "line 3: training.classifier: unknown method 'X'",
            "Methods are SVM, RandomForest, DecisionTree, KNN, MLP.",
        ),
        (
            f'[training]\nmode = "scratch"\nbackend = "jax"\nprecision = "mixed_float16"\n{NETWORK}',
            {},
            'line 4: training.precision: "mixed_float16" is not for backend = "jax": lower precision was tried with '
            "TensorFlow only",
            'Remove precision for this backend, or set backend = "tensorflow".',
        ),
        (
            '[data]\nsource = "synthetic"\nimage_size = 16\n[[matrix]]\nbackbone = "LeNet5"\n',
            {},
            "line 3: data.image_size: image_size of the synthetic data is 16",
            "Give an integer of 32 or more.",
        ),
        (
            '[[matrix]]\nbackbone = "LeNet5"\nimage_size = [32, 16]\nmode = "scratch"\n',
            {},
            "line 3: matrix[1].image_size: image_size of the synthetic data is 16",
            "Give an integer of 32 or more.",
        ),
        (
            f"{SMALL}{NETWORK}[cache]\npixels = true\n",
            {"file": "cache"},
            "pixels cannot be kept in cache/features: {here}/cache is a file",
            "Name another folder: path in [cache].",
        ),
        (
            f'{SMALL}{NETWORK}[cache]\nfeatures = true\npath = "kept"\n',
            {"file": "kept"},
            "line 9: cache.path: features cannot be kept in kept: {here}/kept is a file",
            "Name another folder: path in [cache].",
        ),
    ],
)
def test_what_cannot_be_resolved_is_refused_where_it_stands(here: Path, text, options, what, way_out):
    given = {"devices": "cpu", **options}
    if file := given.pop("file", None):
        Path(file).touch()
    assert refused(text, **given) == (what.format(here=here), way_out)


ONCE = "Each value makes trials of its own: give it once."
NAME = (
    "It takes up to 60 letters without accents, digits, dots, hyphens and underscores, and begins with a letter or a "
    "digit"
)


@pytest.mark.parametrize(
    ("text", "what", "way_out"),
    [
        ("matrix = []\n", "line 1: matrix: is empty", "Give at least one value."),
        (
            "",
            "mine.toml: matrix: is missing",
            'A suite needs at least one [[matrix]] block, with backbone = "VGG16" for example.',
        ),
        (
            '[matrix]\nbackbone = "LeNet5"\n',
            "line 1: matrix: must be a list of blocks",
            "Write [[matrix]] with two brackets.",
        ),
        (f'[weights]\npath = " "\n{NETWORK}', "line 2: weights.path: is empty", "Give a value, or leave the key out."),
        (
            f'[suite]\nname = "my cells / 2"\n{NETWORK}',
            "line 2: suite.name: 'my cells / 2' cannot be the name of a folder of results",
            f"{NAME}, such as my-cells-2.",
        ),
        (
            f'[suite]\nname = "///"\n{NETWORK}',
            "line 2: suite.name: '///' cannot be the name of a folder of results",
            f"{NAME}.",
        ),
        (
            f'{NETWORK}optimizer = {{ name = "Adam", learning_rate = "find" }}\n',
            "line 3: matrix[1].optimizer.learning_rate: 'find' is neither a learning rate above 0 nor \"search\"",
            "",
        ),
        (f"[suite]\nseeds = [1, 2, 1]\n{NETWORK}", "line 2: suite.seeds: has 1 twice", ONCE),
        (
            '[[matrix]]\nbackbone = ["LeNet5", {name = "MobileNet", alpha = 1.0}, {name = "MobileNet", alpha = 1}]\n',
            'line 2: matrix[1].backbone: has {"alpha": 1.0, "name": "MobileNet"} twice',
            ONCE,
        ),
        (f"[training]\nseed = [1, 1]\n{NETWORK}", "line 2: suite.seeds: has 1 twice", ONCE),
        (
            f'{NETWORK}optimizer = ["adam", "SGD", {{ name = "Adam" }}]\n',
            'line 3: matrix[1].optimizer: has {"name": "Adam"} twice',
            ONCE,
        ),
        (
            f'{NETWORK}optimizer = ["Adam", {{ name = "SGD", momentum = 1.0 }}]\n',
            "line 3: matrix[1].optimizer[2].momentum: input should be less than 1, not 1.0",
            "",
        ),
        (
            f'[training.optimizer]\nname = "SGD"\nmomentum = 1.0\n{NETWORK}',
            "line 3: training.optimizer.momentum: input should be less than 1, not 1.0",
            "",
        ),
        (
            f"[training]\nepochs = [1, 0]\n{NETWORK}",
            "line 2: training.epochs[2]: input should be greater than 0, not 0",
            "",
        ),
        (
            f'{NETWORK}optimizer = {{ name = "paper", rho = 0.5, momentum = 0.5 }}\n',
            "line 3: matrix[1].optimizer: the preset 'paper' takes no momentum, rho",
            'Write optimizer = "paper", or write the optimizer out.',
        ),
        (
            f'{NETWORK}class_weight = {{ "\u00e9" = 1.0, "e\u0301" = 2.0 }}\n',
            "line 3: matrix[1].class_weight: a class is named twice, in two Unicode forms",
            "Name each class once.",
        ),
        (
            f'{NETWORK}optimizer = {{ name = "Adam", decay = 0.1 }}\n',
            "line 3: matrix[1].optimizer: decay may mean two things",
            "Write learning_rate_decay for a rate that falls with every step, or weight_decay for smaller weights.",
        ),
        (
            f'{NETWORK}Epochs = 1\nepochs = 2\n',
            "line 1: matrix[1]: Epochs and epochs are the same setting",
            "Remove one of them.",
        ),
        (
            f'[training]\nclock = "wall"\n[thesis]\nclock = "process"\n{NETWORK}',
            "mine.toml: clock stands in two tables, with different values",
            "Remove one of them.",
        ),
        (
            f'[training]\nlimit = "x"\n[cache]\nlimit = "20"\n{NETWORK}',
            "line 2: training.limit: there is no such key",
            "limit belongs in [cache]. There is 1 more problem.",
        ),
        (
            f'[cache]\nlimit = "20"\n{NETWORK}',
            "line 2: cache.limit: '20' is not an amount of memory",
            'Write "500 MB" or "20 GB".',
        ),
        (f'[suite]\nname = "cache"\n{NETWORK}', "line 2: suite.name: 'cache' is a name that the results folder uses "
         "itself", "Give [suite] another name."),
        (f"x = {'[' * 2000}{']' * 2000}", "mine.toml is nested too deeply",
         "A suite has tables in tables, no deeper."),
    ],
)  # fmt: skip
def test_a_file_that_is_no_suite_is_refused(text: str, what: str, way_out: str):
    Path("mine.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        name_of(*load_suite(Path("mine.toml")))
    assert (caught.value.what.removeprefix("mine.toml, "), caught.value.way_out) == (what, way_out)


def test_a_file_that_cannot_be_read_is_told():
    Path("mine.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"^mine\.toml cannot be read: 'utf-8' codec") as caught:
        load_suite(Path("mine.toml"))
    assert caught.value.way_out == "A suite is a TOML file in UTF-8."
    Path("mine.toml").write_text("a = = 1")
    with pytest.raises(
        InputError, match=r"^mine\.toml is not valid TOML: Invalid value \(at line 1"
    ) as caught:
        load_suite(Path("mine.toml"))
    assert caught.value.way_out == "See https://toml.io for the format."


def test_a_folder_that_may_not_be_written_is_told(here: Path, monkeypatch):
    asked = []
    monkeypatch.setattr(layout.os, "access", lambda *given: asked.append(given) or False)
    assert layout.why_unusable(here / "new", written=True) == f"{here} may not be written"
    assert asked == [(here, layout.os.W_OK | layout.os.X_OK)]
    assert layout.why_unusable(here / "new", written=False) == ""


@pytest.mark.parametrize(
    ("there", "table", "given", "folder"),
    [
        (False, "", None, None),
        (True, "", None, "weights"),
        (True, '[weights]\npath = "mine"\n', None, "mine"),
        (True, '[weights]\npath = "mine"\n', Path("theirs"), "theirs"),
    ],
)
def test_weights_are_looked_for_in_one_folder(
    monkeypatch, there: bool, table: str, given, folder: str | None
):
    asked = []

    def locate(*what, image_size: int, weights_folder: Path | None) -> WeightsSource:
        asked.append((*what, image_size, weights_folder))
        return WeightsSource("random")

    monkeypatch.setattr(resolve, "locate_weights", locate)
    if there:
        Path("weights").mkdir()
    Path("mine.toml").write_text(
        f'{table}[data]\nimage_size = [32, 48]\n[[matrix]]\nbackbone = "LeNet5"\nmode = "transfer"\nepochs = [1, 2]\n'
        'weights = "some"\n'
    )
    found = resolve_suite(Path("mine.toml"), Path("cache"), "cpu", weights=given, runtime=RUNTIME)
    place = folder and Path(folder)
    assert asked == [("some", "LeNet5", {}, size, place) for size in (32, 48)], "once for each"
    assert len(found.trials) == 4 and {one.settings.weights.name for one in found.trials} == {"random"}
