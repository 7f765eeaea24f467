import keras
import numpy as np
import pytest

from wbc.specification import USUAL_AUGMENTATION, Augmentation, Specification
from wbc.training.augmentation import Augmenter, augment_image
from wbc.training.fitting import penalize_kernels
from wbc.training.transfer import build_head


@pytest.fixture
def image() -> np.ndarray:
    rows, columns = np.mgrid[:40, :40]
    return np.stack([rows * 4, columns * 5, 200 - rows * 2], axis=2).astype(np.uint8)


def test_a_change_is_a_function_of_seed_epoch_and_image(image):
    batch = np.stack([image] * 3)
    augmenter = Augmenter(USUAL_AUGMENTATION, seed=1)
    first = augmenter(batch, np.array([4, 7, 9]), 0)
    alone = Augmenter(USUAL_AUGMENTATION, seed=1)(batch[:1], np.array([7]), 0)
    np.testing.assert_array_equal(first[1], alone[0])
    assert first.shape == batch.shape and first.dtype == np.uint8
    assert (batch == image).all(), "the images are left as they are"
    for other in (
        first[0],
        augmenter(batch[:1], np.array([7]), 1)[0],
        Augmenter(USUAL_AUGMENTATION, seed=2)(batch[:1], np.array([7]), 0)[0],
    ):
        assert (other != first[1]).any()


def test_nothing_named_changes_nothing(image):
    np.testing.assert_array_equal(augment_image(image, Augmentation(), np.random.default_rng(0)), image)


def test_flips(image):
    settings = Augmentation(flip_horizontal=True, flip_vertical=True)
    seen = {augment_image(image, settings, np.random.default_rng(seed)).tobytes() for seed in range(20)}
    assert seen == {view.tobytes() for view in (image, image[::-1], image[:, ::-1], image[::-1, ::-1])}


class Fixed:
    """Random numbers at the end of their range."""

    def uniform(self, low, high, size):
        return np.full(size, high, float)

    def random(self, size):
        return np.ones(size)


def test_a_shift_moves_by_a_share_of_the_side_and_repeats_the_border(image):
    moved = augment_image(image, Augmentation(shift=0.1), Fixed())
    np.testing.assert_array_equal(moved[4:, 4:], image[:-4, :-4])
    np.testing.assert_array_equal(moved[:4, 4:], np.repeat(image[:1, :-4], 4, axis=0))


def test_a_rotation_turns_about_the_center(image):
    turned = augment_image(image, Augmentation(rotation=90.0), Fixed())
    expected = [np.rot90(image), np.rot90(image, -1)]
    assert any(np.abs(turned.astype(int) - view).max() <= 1 for view in expected)


def test_a_zoom_keeps_the_center(image):
    larger = augment_image(image, Augmentation(zoom=0.5), Fixed()).astype(int)
    assert np.ptp(larger[..., 1]) < 0.75 * np.ptp(image[..., 1])
    assert np.abs(larger[19:21, 19:21] - image[19:21, 19:21]).max() <= 4


def test_brightness_contrast_and_saturation(image):
    brighter = augment_image(image, Augmentation(brightness=0.1), Fixed()).astype(int)
    unclipped = image < 225
    assert np.abs(brighter - image - 25.5)[unclipped].max() <= 0.5
    gray = image @ np.array([0.299, 0.587, 0.114])
    contrast = augment_image(image, Augmentation(contrast=0.2), Fixed()).astype(float)
    assert contrast.std() > image.std()
    assert (contrast @ np.array([0.299, 0.587, 0.114])).mean() == pytest.approx(gray.mean(), abs=3)
    saturated = augment_image(image, Augmentation(saturation=0.2), Fixed()).astype(float)
    assert (saturated @ np.array([0.299, 0.587, 0.114])).mean() == pytest.approx(gray.mean(), abs=1)
    assert np.ptp(saturated, axis=2).mean() > 1.1 * np.ptp(image.astype(int), axis=2).mean()


class Drawn:
    """Given numbers in place of random ones: angle, shift right and down, zoom, brightness, contrast, saturation."""

    def __init__(self, *numbers: float, flips: tuple[float, float] = (0.5, 0.5)):
        self.numbers, self.flips = np.array([*numbers, *[0.0] * (7 - len(numbers))]), np.array(flips)

    def uniform(self, low, high, size):
        assert (low, high, size) == (-1, 1, 7)
        return self.numbers

    def random(self, size):
        assert size == 2
        return self.flips


def test_the_random_numbers_of_an_image_have_a_stream_of_their_own(image):
    """The order of the images is drawn from seed and epoch; a change of this stream is another training."""
    changed = Augmenter(USUAL_AUGMENTATION, seed=5)(image[None], np.array([7]), 3)
    expected = augment_image(image, USUAL_AUGMENTATION, np.random.default_rng([5, 3, 7, 1]))
    np.testing.assert_array_equal(changed[0], expected)


@pytest.mark.parametrize(
    ("horizontal", "vertical", "drawn", "rows", "columns"),
    [
        (True, False, (0.49, 0.49), 1, -1),
        (False, True, (0.49, 0.49), -1, 1),
        (False, False, (0.0, 0.0), 1, 1),
        (True, True, (0.49, 0.5), 1, -1),
        (True, True, (0.5, 0.49), -1, 1),
        (True, True, (0.5, 0.5), 1, 1),
    ],
)
def test_an_image_flips_where_less_than_half_is_drawn(image, horizontal, vertical, drawn, rows, columns):
    settings = Augmentation(flip_horizontal=horizontal, flip_vertical=vertical)
    np.testing.assert_array_equal(
        augment_image(image, settings, Drawn(flips=drawn)), image[::rows, ::columns]
    )


def test_a_shift_goes_right_and_down_by_what_is_drawn_for_each(image):
    moved = augment_image(image, Augmentation(shift=0.1), Drawn(0, 1.0, -0.5))
    np.testing.assert_array_equal(moved[:-2, 4:], image[2:, :-4])


def test_a_rotation_turns_with_the_clock(image):
    turned = augment_image(image, Augmentation(rotation=90.0), Drawn(1.0)).astype(int)
    assert np.abs(turned - np.rot90(image, -1)).max() <= 1
    turned = augment_image(image, Augmentation(rotation=180.0), Drawn(-0.5)).astype(int)
    assert np.abs(turned - np.rot90(image)).max() <= 1


@pytest.mark.parametrize(("drawn", "scale"), [(1.0, 1.5), (-1.0, 0.5), (0.5, 1.25)])
def test_a_zoom_scales_about_the_center(image, drawn, scale):
    zoomed = augment_image(image, Augmentation(zoom=0.5), Drawn(0, 0, 0, drawn)).astype(int)
    shown = np.clip((np.arange(40) + 0.5 - 20) / scale + 19.5, 0, 39)  # the place in the image
    assert np.abs(zoomed[..., 0] - 4 * shown[:, None]).max() <= 1
    assert np.abs(zoomed[..., 1] - 5 * shown[None, :]).max() <= 1


@pytest.mark.parametrize("shift", [0.0, 0.2])
@pytest.mark.parametrize("zoom", [0.0, 0.5])
def test_nothing_black_comes_in_from_beyond_the_border(shift, zoom):
    plain = np.full((40, 40, 3), 200, np.uint8)
    settings = Augmentation(rotation=45.0, shift=shift, zoom=zoom)
    for corner in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        assert (augment_image(plain, settings, Drawn(1.0, *corner, -1.0)) == 200).all()


@pytest.mark.parametrize(
    ("settings", "drawn", "pixels", "expected"),
    [
        (
            Augmentation(brightness=0.1),
            (0.4, 0, 0),
            [(100, 20, 250), (0, 40, 7)],
            [(110, 30, 255), (10, 50, 17)],
        ),
        (Augmentation(brightness=0.1), (-1, 0, 0), [(100, 20, 250), (26, 40, 7)], [(74, 0, 224), (0, 14, 0)]),
        # About the mean gray, 150.
        (Augmentation(contrast=0.2), (0, 1, 0), [(100,) * 3, (200,) * 3], [(90,) * 3, (210,) * 3]),
        (Augmentation(contrast=0.2), (0, -1, 0), [(100,) * 3, (200,) * 3], [(110,) * 3, (190,) * 3]),
        # About the own gray of each: 129.9 of the first.
        (Augmentation(saturation=0.2), (0, 0, 1), [(200, 100, 100), (50,) * 3], [(214, 94, 94), (50,) * 3]),
        (
            Augmentation(saturation=0.2),
            (0, 0, -1),
            [(200, 100, 100), (50,) * 3],
            [(186, 106, 106), (50,) * 3],
        ),
    ],
)
def test_colors_by_hand(settings, drawn, pixels, expected):
    changed = augment_image(np.array([pixels, pixels], np.uint8), settings, Drawn(0, 0, 0, 0, *drawn))
    assert changed.tolist() == [[list(pixel) for pixel in expected]] * 2


def specification_of(**more) -> Specification:
    return Specification("", "", 32, "VGG16", "scratch", **more)


def test_penalties_are_those_of_the_kernels_that_train():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2D(2, 3, name="frozen"),
            keras.layers.SeparableConv2D(2, 1, bias_initializer="ones"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(2, bias_initializer="ones"),
        ]
    )
    model.get_layer("frozen").trainable = False
    penalize_kernels(model, specification_of())
    assert model.losses == []
    penalize_kernels(model, specification_of(l1=0.5, l2=0.25))
    kernels = [
        np.array(variable)
        for layer in model.layers
        if layer.name != "frozen"
        for variable in layer.weights
        if np.ndim(variable) > 1
    ]
    assert len(kernels) == 3
    expected = sum(0.5 * np.abs(kernel).sum() + 0.25 * (kernel**2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_penalties_are_part_of_the_loss_that_is_trained():
    model = build_head((1, 1, 4), 2, dropout=0.0)
    penalize_kernels(model, specification_of(l2=0.1))
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="categorical_crossentropy")
    before = np.array(model.layers[1].kernel)
    model.train_on_batch(np.zeros((2, 1, 1, 4), np.float32), np.eye(2, dtype=np.float32))
    np.testing.assert_allclose(np.array(model.layers[1].kernel), before * 0.8, rtol=1e-5)


def test_the_rate_of_dropout():
    rates = [layer.rate for layer in build_head((1, 1, 4), 2, 0.25).layers if hasattr(layer, "rate")]
    assert rates == [0.25]
