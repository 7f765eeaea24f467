"""Folds and pilots: every source is tested once, bad shares are refused, a part of a set is a fair part."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bccd_equipment import SyntheticBccd
from image_folders import class_folder, split_folder, write_color
from PIL import Image

from bench.commands.main import main
from bench.trials.datasets import DataSets
from wbc import experiment
from wbc.data import CELL_CLASSES, SPLITS
from wbc.data.bccd import BccdSettings, import_bccd
from wbc.data.layout import FolderOptions
from wbc.data.manifest import ImageEntry, Manifest
from wbc.data.pipeline.folds import Splitting, _check_shares, check_sources, split_by
from wbc.data.pipeline.sample import sample
from wbc.data.pipeline.splitting import Quota, choose_images, image_rng
from wbc.data.pipeline.stages import Original
from wbc.data.synthetic import SyntheticSettings, generate
from wbc.errors import InputError
from wbc.specification import Specification


def originals(*groups: tuple[str, str, int]) -> list[Original]:
    """(class, source, images) -> originals."""
    return [
        Original(f"{source}-{index}", Path(f"{source}-{index}.png"), name, source)
        for name, source, count in groups
        for index in range(count)
    ]


def five(found: list[Original], seed: int = 0) -> list[dict[str, str]]:
    return [split_by(found, Splitting(seed, 5, fold)) for fold in range(1, 6)]


@pytest.mark.parametrize("seed", range(4))
def test_every_source_is_tested_in_exactly_one_of_five_folds(seed: int):
    rng = np.random.default_rng(seed)
    patients = [(name, f"{name}{n}", int(rng.integers(1, 6))) for name in "ab" for n in range(20)]
    shared = [(name, f"both{n}", 2) for n in range(5) for name in "ab"]
    found = originals(*patients, *shared)
    splits = five(found, seed)
    sources = {one.source for one in found}
    for split_of in splits:
        assert set(split_of) == sources, "none is lost"
        for name in "ab":
            counts = Counter(split_of[one.source] for one in found if one.class_name == name)
            assert set(counts) == set(SPLITS)
            assert abs(counts["test"] - 0.2 * counts.total()) <= 0.12 * counts.total()
    tested = Counter(source for split_of in splits for source, split in split_of.items() if split == "test")
    assert tested == dict.fromkeys(sources, 1)
    assert five(found, seed) == splits and five(found, seed + 10) != splits


def test_a_fold_that_misses_its_share_is_refused():
    found = originals(
        ("a", "large", 30), *(("a", f"s{n}", 1) for n in range(10)), *(("b", f"t{n}", 2) for n in range(10))
    )
    with pytest.raises(
        InputError, match=r"fold \d would get \d+ of 40 images of a, but its share is 8: 30 images"
    ) as caught:
        split_by(found, Splitting(0, 5, 1))
    assert "large" in caught.value.what and "group" in caught.value.way_out


def test_too_few_sources_for_the_folds_are_named():
    found = originals(*(("a", f"s{n}", 1) for n in range(4)), *(("b", f"t{n}", 1) for n in range(9)))
    with pytest.raises(InputError, match="class a has too few sources: 4, but 1, 2, 3, 4, 5 need one each"):
        split_by(found, Splitting(0, 5, 1))


def test_a_suite_says_so_before_anything_runs(tmp_path: Path, capsys):
    root = class_folder(tmp_path / "set", count=4)
    text = f'[data]\npath = "{root}"\nfolds = 5\n[[matrix]]\nmode = "classical"\nbackbone = "SVM"\n'
    (tmp_path / "suite.toml").write_text(text)
    assert main(["run", str(tmp_path / "suite.toml"), "--results", str(tmp_path / "results")]) == 2
    assert "too few sources" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "split_seed = 0\nmax_images_per_class = 2",
            "line 4: data.max_images_per_class: 2 are too few: class one",
        ),
        (
            "folds = 5",
            "line 3: data.folds: class one has too few sources: 4, but 1, 2, 3, 4, 5 need one each",
        ),
        ("split_seed = 0", ""),
    ],
)
def test_a_plan_knows_that_a_folder_has_too_few_images(tmp_path: Path, capsys, keys: str, said: str):
    root = class_folder(tmp_path / "set", count=4)
    text = f'[data]\npath = "{root}"\n{keys}\n[[matrix]]\nmode = "classical"\nbackbone = "SVM"\n'
    (tmp_path / "suite.toml").write_text(text)
    code = main(["plan", str(tmp_path / "suite.toml"), "--results", str(tmp_path / "results")])
    assert (code, said in capsys.readouterr().err) == (2 if said else 0, True)


@pytest.fixture(scope="module")
def bccd(tmp_path_factory) -> SyntheticBccd:
    made = SyntheticBccd(tmp_path_factory.mktemp("bccd") / "set")
    for number, name in enumerate(CELL_CLASSES * 4):
        made.add(number, name)
    made.add(40, "MONOCYTE", field=2, corner=(25, 24))
    made.write_labels()
    return made


def test_fields_of_bccd_are_tested_once(bccd, tmp_path: Path):
    made = [
        import_bccd(bccd.root, tmp_path / str(fold), BccdSettings(image_size=16, folds=3, fold=fold))
        for fold in (1, 2, 3)
    ]
    tested = Counter(source for one in made for source in {image.source for image in one.split("test")})
    assert len(tested) == 16 and set(tested.values()) == {1}
    for one in made:
        by_split = [{image.source for image in one.split(name)} for name in SPLITS]
        assert sum(map(len, by_split)) == len(set.union(*by_split)) == 16
        assert len(set(one.counts()["train"].values())) == 1, "training is balanced as without folds"


def test_a_suite_may_name_folds_of_bccd_and_of_no_synthetic_images(bccd, tmp_path: Path, capsys):
    suite = tmp_path / "suite.toml"
    matrix = '[[matrix]]\nmode = "classical"\nbackbone = "SVM"\n'
    suite.write_text(f'[data]\nsource = "bccd"\npath = "{bccd.root}"\nfolds = 3\n{matrix}')
    command = ["plan", str(suite), "--results", str(tmp_path / "results")]
    assert main(command) == 0
    assert "3 to run" in capsys.readouterr().out
    suite.write_text(f'[data]\nsource = "bccd"\npath = "{bccd.root}"\nfolds = 9\n{matrix}')
    assert main(command) == 2, "not only the run knows"
    assert "data.folds: class EOSINOPHIL has too few sources" in capsys.readouterr().err
    suite.write_text(f"[data]\nfolds = 3\n{matrix}")
    assert main(command) == 2
    assert "data.folds: has no meaning" in capsys.readouterr().err


def test_half_of_three_sources_is_too_little_for_training_and_validation():
    check_sources(originals(*(("a", f"{number}", 1) for number in range(4))), Splitting(folds=2, fold=1))
    with pytest.raises(InputError, match="class a has too few sources: 3"):
        check_sources(originals(*(("a", f"{number}", 1) for number in range(3))), Splitting(folds=2, fold=1))


class Notes:
    """An observer that keeps the metrics."""

    def evaluated(self, metrics, evaluations):
        self.metrics = metrics

    def __getattr__(self, name):
        return lambda *values, **more: None


def test_intervals_go_by_patients(tmp_path: Path):
    """Three copies of each patient's cell: by images the interval would be far too narrow."""
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    for image in generate(drawn, SyntheticSettings(6, 1, 1, 32)).images:
        for copy in range(3):
            path = (
                tmp_path / "set" / image.class_name / f"{image.class_name}{Path(image.file).stem}_{copy}.png"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(drawn / image.file) as picture:
                pixels = np.asarray(picture).copy()
            pixels[0, 0] = copy
            Image.fromarray(pixels).save(path)
    (tmp_path / "cache").mkdir()
    sets = DataSets(tmp_path / "cache", tmp_path / "set", options=FolderOptions(group="^(.+)_"))
    data = sets.find("folder", {"split_seed": 0}, 32)
    manifest, notes = data.prepare(), Notes()
    experiment.run(Specification(data.images, data.manifest, 32, "DecisionTree", "classical"), notes)
    sources = {image.source for image in manifest.split("test")}
    assert notes.metrics["sources"] == len(sources) == notes.metrics["images"] / 3 >= 4
    assert notes.metrics["intervals"]["accuracy"]["method"] == "cluster-bootstrap"


def entries(*groups: tuple[str, str, int], split: str = "") -> list[ImageEntry]:
    return [
        ImageEntry(f"{name}/{source}-{index}.png", split, name, source, f"{name}{source}{index}")
        for name, source, count in groups
        for index in range(count)
    ]


def test_a_pilot_has_images_of_as_many_sources_as_it_can():
    images = entries(*(("a", f"P{n}", 1 + 10 * n) for n in range(8)), ("b", "Q", 3))
    kept, others = sample(images, 8, 0)
    assert Counter(one.class_name for one in kept) == {"a": 8, "b": 3}
    assert len({one.source for one in kept if one.class_name == "a"}) == 8
    assert sorted([*kept, *others], key=images.index) == images
    assert sample(images, 8, 0) == (kept, others) != sample(images, 8, 1)
    assert len(sample(images, 20, 0)[0]) == 23


def test_each_split_of_a_folder_is_sampled(tmp_path: Path):
    root = split_folder(tmp_path / "set", write_color)
    sets = DataSets(tmp_path / "cache", root, most=2)
    (tmp_path / "cache").mkdir()
    dataset = sets.find("folder", {}, 32)
    manifest = dataset.prepare()
    assert {split: dict(of) for split, of in manifest.counts().items()} == {
        key: {"one": 2, "two": 2} for key in SPLITS
    }
    assert len(manifest.left_out["more images than max_images_per_class"]) == 2
    assert dataset.settings.max_images_per_class == 2
    assert DataSets(tmp_path / "cache", root, most=3).find("folder", {}, 32).digest != dataset.digest


def test_an_unsplit_folder_is_sampled_before_it_is_split(tmp_path: Path):
    root = class_folder(tmp_path / "set", count=9)
    sets = DataSets(tmp_path / "cache", root, options=FolderOptions(group=r"^(\d)"), most=5)
    (tmp_path / "cache").mkdir()
    made = [sets.find("folder", {"split_seed": seed}, 32).prepare() for seed in (0, 1)]
    for one in made:
        assert Counter(image.class_name for image in one.images) == {"one": 5, "two": 5}
    assert {image.file for image in made[0].images} != {image.file for image in made[1].images}


def test_cells_of_bccd_are_sampled(bccd, tmp_path: Path):
    made = import_bccd(bccd.root, tmp_path / "out", BccdSettings(image_size=16, max_images_per_class=3))
    assert Counter(image.class_name for image in made.images if image.split != "train") == dict.fromkeys(
        CELL_CLASSES, 2
    )
    assert len(made.left_out["more images than max_images_per_class"]) == 17 - 12
    with pytest.raises(InputError, match="max_images_per_class is 0"):
        BccdSettings(max_images_per_class=0)
    with pytest.raises(InputError, match="2 cells of each class are too few for 3 splits"):
        BccdSettings(max_images_per_class=2)


def test_a_manifest_of_a_pilot_is_read_again(tmp_path: Path):
    images = entries(("a", "P", 2), ("b", "Q", 2), split="train")
    manifest = Manifest(tuple(sample(images, 1, 0)[0]), ("a", "b"))
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest


@pytest.mark.parametrize(
    ("share", "first", "second", "refused"),
    [
        (0.5, 8, 2, None),  # three of ten more than half
        (0.5, 9, 1, "first would get 9 of 10 images of a, but its share is 5"),
        (0.5, 4, 0, None),  # two more are always allowed
        (0.5, 6, 0, "first would get 6 of 6 images of a, but its share is 3"),
        (0.9, 98, 2, None),  # a quarter of ten, less one, is 1.5
        (0.9, 99, 1, "second would get 1 of 100 images of a, but its share is 10"),
        (0.95, 40, 0, None),
        (0.75, 16, 0, None),  # a quarter of four, less one, is none
    ],
)
def test_how_far_a_split_may_be_from_its_share(share, first, second, refused):
    found = originals(("a", "x", first), ("a", "y", second))
    split_of, shares = {"x": "first", "y": "second"}, {"first": share, "second": 1 - share}
    if refused is None:
        _check_shares(found, split_of, shares)
        return
    with pytest.raises(InputError) as caught:
        _check_shares(found, split_of, shares)
    largest = max(first, second)
    assert caught.value.what == f"{refused}: {largest} images are one source (x), which cannot be split"


def of(number: int, *names: str) -> dict[str, list[str]]:
    """Class -> its originals."""
    return {name: [f"{name}{index}" for index in range(number)] for name in names}


@pytest.mark.parametrize(
    ("quota", "images"),
    [
        (Quota(), {"a": 3, "b": 5}),
        (Quota(2), {"a": 2, "b": 2}),
        (Quota({"a": 1, "b": 4}), {"a": 1, "b": 4}),
        (Quota(originals=2), {"a": 2, "b": 2}),
        (Quota(originals=2, times=3, copies=True), {"a": 6, "b": 6}),
        (Quota(balanced=True, copies=True), {"a": 5, "b": 5}),
        (Quota(7, copies=True), {"a": 7, "b": 7}),
    ],
)
def test_how_many_images_a_split_takes(quota, images):
    found = {**of(3, "a"), **of(5, "b")}
    chosen = choose_images(found, quota, "train", seed=4)
    assert Counter(name for (name, _), _ in chosen) == images
    for name in found:
        own = [(image, copy) for (of_class, image), copy in chosen if of_class == name]
        assert len(set(own)) == len(own) and {image for image, _ in own} <= set(found[name])
        # Every original once before any has a copy, then every original's first copy.
        used = len({image for image, _ in own})
        assert [copy for _, copy in own] == [number // used for number in range(len(own))]
    assert choose_images(found, quota, "test", 4) == chosen != choose_images(found, quota, "train", 5)


def test_no_copies_where_they_are_not_allowed():
    assert len(choose_images(of(3, "a"), Quota(3), "test", 0)) == 3
    with pytest.raises(InputError) as caught:
        choose_images(of(3, "a"), Quota(4), "test", 0)
    assert caught.value.what == "4 images of a are asked for in test, which has 3 originals of it"


def test_the_numbers_of_an_image_depend_on_seed_name_and_copy():
    import hashlib

    expected = np.random.default_rng([7, 2, *hashlib.sha256(b"cell").digest()]).random()
    assert image_rng(7, "cell", 2).random() == expected
    others = [image_rng(8, "cell", 2), image_rng(7, "cel", 2), image_rng(7, "cell", 1)]
    assert len({expected, *(one.random() for one in others)}) == 4


@pytest.mark.parametrize(
    ("folds", "fold", "exists"),
    [
        *[(None, None, True), (2, 1, True), (2, 2, True), (5, 5, True)],
        *[(1, 1, False), (2, 0, False), (2, 3, False), (2, None, False), (0, 1, False)],
    ],
)
def test_a_fold_is_one_of_two_or_more(folds, fold, exists):
    if exists:
        Splitting(0, folds, fold)
        return
    with pytest.raises(InputError) as caught:
        Splitting(0, folds, fold)
    assert caught.value.what == f"fold {fold} of {folds} is asked for"
    assert caught.value.way_out == "Give 2 folds or more."
