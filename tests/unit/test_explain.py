"""Where a network looks, its filters and its maps; and that they reach the report."""

import keras
import numpy as np
import pytest
from PIL import Image
from training_equipment import Notes

from bench.journal.results import Attempt
from bench.report.mistakes import Pictures, explained, mistakes_of
from wbc import experiment
from wbc.data.manifest import ImageEntry, Manifest
from wbc.errors import InputError
from wbc.evaluation.predictions import Predictions
from wbc.networks.attention import (
    Call,
    _before_softmax,
    _last_maps,
    _tiles,
    filters_and_maps,
    overlaid,
    where_it_looks,
)
from wbc.optimizer import OptimizerSpecification
from wbc.specification import Explaining, Specification, picture_of
from wbc.training import explain as explaining

SIDE = 32


def looker(nested: bool = False, end: str = "dense") -> list[keras.Model]:
    """A network that finds red patches: class 1 is the mean of a map of redness, class 0 that of blueness."""
    inputs = keras.Input((SIDE, SIDE, 3))
    maps = keras.layers.Conv2D(2, 1, use_bias=False, activation="relu", name="colors")(inputs)
    maps = keras.layers.MaxPooling2D(2)(maps)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    if end == "dense":
        outputs = keras.layers.Dense(2, "softmax", use_bias=False, name="head")(pooled)
    else:
        scores = keras.layers.Dense(2, use_bias=False, name="head")(pooled)
        outputs = keras.layers.Activation("softmax")(scores)
    whole = keras.Model(inputs, outputs)
    whole.get_layer("colors").set_weights([np.array([[-1.0, 1], [0, 0], [1, -1]]).reshape(1, 1, 3, 2)])
    whole.get_layer("head").set_weights([np.eye(2) * 1000])
    if not nested:
        return [whole]
    body = keras.Model(inputs, maps)
    front, again = keras.Input((SIDE, SIDE, 3)), keras.Input(maps.shape[1:])
    tail = keras.Model(again, whole.get_layer("head")(keras.layers.GlobalAveragePooling2D()(again)))
    return [keras.Model(front, body(front)), tail]


def planted(row: int, column: int) -> np.ndarray:
    image = np.full((1, SIDE, SIDE, 3), 0.5, "float32")
    image[0, row : row + 8, column : column + 8] = (1, 0.5, 0)
    return image


@pytest.mark.parametrize(("nested", "end"), [(False, "dense"), (False, "activation"), (True, "dense")])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 20), (22, 8)])
def test_a_network_that_looks_at_a_planted_patch_lights_up_there(nested, end, row, column):
    (heat,) = where_it_looks(looker(nested, end), planted(row, column), [1])
    assert heat.shape == (SIDE, SIDE) and heat.max() == pytest.approx(1, abs=0.01)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[row : row + 8, column : column + 8] = True
    assert heat[inside].sum() / heat.sum() > 0.8
    assert heat[inside].mean() > 20 * heat[~inside].mean()


def test_nothing_speaks_for_the_other_class():
    assert not where_it_looks(looker(), planted(4, 4), [0]).any()


def test_each_image_is_asked_for_its_own_class():
    red, blue = planted(4, 20), planted(4, 20)[..., ::-1]
    heats = where_it_looks(looker(), np.concatenate([red, blue]), [1, 0])
    np.testing.assert_allclose(heats[0], heats[1], atol=1e-6)


def test_a_network_without_maps_says_so():
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(inputs)))
    with pytest.raises(InputError, match="no maps"):
        where_it_looks([model], np.zeros((1, 4, 4, 3), "float32"), [0])


def test_heat_is_red_and_its_absence_blue():
    picture = overlaid(np.full((2, 1, 3), 128, np.uint8), np.array([[1.0], [0.0]], np.float32))
    assert picture[0, 0].argmax() == 0 and picture[1, 0].argmax() == 2


def test_filters_and_maps_are_drawn():
    found = filters_and_maps(looker(), planted(4, 4))
    assert set(found) == {"filters", "maps-first", "maps-middle", "maps-last"}
    assert found["filters"].shape == (26, 52, 3)
    assert found["maps-first"].max() == 255 > found["maps-first"][1:49, 51:99].mean()


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A trial whose test images are labelled at random, so that half of them are misclassified."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    entries = []
    for split, count in (("train", 8), ("validation", 4), ("test", 12)):
        for index in range(count):
            name = f"{split}{index}.png"
            Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)).save(folder / name)
            entries.append(ImageEntry(name, split, "ab"[index % 2], name, ""))
    Manifest(tuple(entries), ("a", "b")).write(folder)
    attempt = tmp_path_factory.mktemp("attempt")

    class Keep(Notes):
        def predicted(self, predictions):
            self.predictions = predictions

    keep = Keep()
    experiment.run(
        Specification(
            folder,
            folder / "manifest.json",
            SIDE,
            "LeNet5",
            "scratch",
            epochs=1,
            batch_size=4,
            optimizer=OptimizerSpecification("Adam", 1e-3, 0.0),
            explain=Explaining(attempt / "explained", ("grad-cam", "filters")),
        ),
        keep,
    )
    return Attempt(attempt), keep


def test_pictures_are_made_after_the_evaluation(trial):
    attempt, keep = trial
    names = list(keep.phases)
    assert names.index("explain") == names.index("evaluate") + 1
    predictions: Predictions = keep.predictions
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    assert len(wrong) and keep.phases["explain"] == {"images": len(wrong) + 4}
    for row in wrong:
        assert (attempt.folder / "explained" / picture_of(predictions.files[row])).is_file()
    assert not list(attempt.folder.rglob("*.partial"))


def test_the_report_shows_them_beside_the_mistakes(trial):
    attempt, keep = trial
    mistakes, _ = mistakes_of(attempt, keep.predictions, Pictures(), 4)
    assert all(one.seen.startswith("data:image/jpeg") for one in mistakes)
    assert explained(attempt, "filters.png", small=False).startswith("data:image/png")
    assert explained(attempt, "nothing.png") is None


def test_an_image_is_mixed_with_the_colors_of_its_heat():
    heat = np.array([[1.0, 0.75, 0.5, 0.25, 0.0]], np.float32)
    picture = overlaid(np.full((1, 5, 3), 100, np.uint8), heat)
    expected = []
    for one, color in zip(
        heat[0], [(0.5, 0, 0), (1, 0.5, 0), (0.5, 1, 0.5), (0, 0.5, 1), (0, 0, 0.5)], strict=True
    ):
        share = 0.15 + 0.5 * one
        expected.append([int((1 - share) * 100 + share * 255 * channel) for channel in color])
    np.testing.assert_allclose(picture[0], expected, atol=1)
    gray = overlaid(np.array([[[0, 30, 90]]], np.uint8), np.zeros((1, 1), np.float32))
    assert gray[0, 0].tolist() == [34, 34, int(0.85 * 40 + 0.15 * 127.5)]


def test_tiles_lie_in_rows_of_eight_with_a_white_edge():
    pictures = [np.array([[[number], [number + 10.0]]]) for number in range(9)]
    sheet = _tiles(pictures, 4)
    assert sheet.shape == (12, 48, 3)
    tile = np.repeat([[0, 0, 255, 255]], 4, axis=0)
    for top, left in ((1, 1), (1, 7), (1, 43), (7, 1)):
        assert (sheet[top : top + 4, left : left + 4, 0] == tile).all()
        edge = sheet[top - 1 : top + 5, left - 1 : left + 5].copy()
        edge[1:5, 1:5] = 255
        assert (edge == 255).all()
    assert (sheet[6:, 6:] == 255).all()
    assert _tiles(pictures[:3], 4).shape == (6, 18, 3)
    assert _tiles([pictures[0]] * 40, 4).shape == (24, 48, 3)  # no more than 32
    assert (_tiles([np.full((1, 1, 1), 7.0)], 2)[1:3, 1:3] == 0).all()  # the same everywhere: black
    assert _tiles([np.array([[[0.0, 1, 2]]])], 1)[1, 1].tolist() == [0, 127, 255]


def test_pictures_of_maps_from_the_first_to_the_last():
    inputs = keras.Input((8, 8, 3))
    tensor = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="a")(inputs)
    for name in "bcd":
        tensor = keras.layers.AveragePooling2D(1, name=name)(tensor)
    tensor = keras.layers.AveragePooling2D(2, name="e")(tensor)
    image = np.zeros((1, 8, 8, 3), np.float32)
    image[0, :4] = 1
    found = filters_and_maps([keras.Model(inputs, tensor)], image)
    assert all(found[f"maps-{name}"].shape == (50, 50, 3) for name in ("first", "middle", "last"))
    assert found["filters"].shape == (26, 26, 3)
    assert (found["maps-first"][1:25, 1:49] == 255).all() and (found["maps-first"][25:49, 1:49] == 0).all()


@pytest.mark.parametrize(("sizes", "chosen"), [((8, 4, 3, 1), 1), ((8, 5, 2), 1), ((3, 2, 1), 1), ((4,), 0)])
def test_the_last_maps_that_show_a_place_are_chosen(sizes, chosen):
    calls = [Call(None, None, np.zeros((1, size, size + 1, 2))) for size in sizes]
    assert _last_maps(calls) is calls[chosen].output
    assert _last_maps([*calls, Call(None, None, np.zeros((1, 9)))]) is calls[chosen].output


def test_scores_are_taken_before_softmax_and_else_as_logarithms():
    inputs = np.array([[1.0, 2.0]], np.float32)
    dense = keras.layers.Dense(2, "softmax", kernel_initializer="ones", bias_initializer="ones")
    dense.build((None, 2))
    one = keras.ops.convert_to_tensor(inputs)
    outputs = dense(one)
    for layer, expected in (
        (dense, [[4, 4]]),
        (keras.layers.Softmax(), inputs),
        (keras.layers.Activation("softmax"), inputs),
        (keras.layers.Activation("relu"), np.log([[0.5, 0.5]])),
    ):
        found = _before_softmax([Call(layer, one, outputs)], outputs)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    nothing = keras.ops.convert_to_tensor(np.zeros((1, 1), np.float32))
    last = [Call(keras.layers.Activation("relu"), nothing, nothing)]
    np.testing.assert_allclose(_before_softmax(last, nothing), [[np.log(1e-12)]], rtol=1e-5)
    maps = keras.ops.convert_to_tensor(np.zeros((1, 2, 2, 1), np.float32))
    found = _before_softmax([Call(keras.layers.Softmax(), maps, outputs)], outputs)
    np.testing.assert_allclose(found, np.log([[0.5, 0.5]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("what", "count"), [(("grad-cam",), 2), (("filters",), 1), (("grad-cam", "filters"), 3)]
)
def test_each_image_is_explained_for_what_was_said_of_it(monkeypatch, tmp_path, what, count):
    asked, pixels = [], np.zeros((2, 4, 4, 3), np.uint8)
    pixels[1] = 90

    def looks(chain, inputs, classes):
        asked.append((chain, inputs.max(), len(inputs), classes))
        return np.zeros((1, 4, 4), np.float32)

    monkeypatch.setattr(explaining, "where_it_looks", looks)
    monkeypatch.setattr(
        explaining, "filters_and_maps", lambda chain, inputs: {"filters": pixels[len(inputs)]}
    )
    settings = Explaining(tmp_path / "deep" / "x", what)
    files = ["test/a/1.png", "test/b/1.png"]
    found = explaining.explain("chain", lambda given: given + 0.5, settings, pixels, files, [3, 1])
    assert found == {"images": count}
    names = [picture_of(file) for file in files] if "grad-cam" in what else []
    assert asked == ([("chain", 0.5, 1, [3]), ("chain", 90.5, 1, [1])] if names else [])
    written = {path.name: np.asarray(Image.open(path)) for path in settings.folder.iterdir()}
    assert set(written) == {*names, *(["filters.png"] if "filters" in what else [])}
    for name, own in zip(names, pixels, strict=bool(names)):
        assert np.array_equal(written[name], overlaid(own, np.zeros((4, 4), np.float32)))
