"""Features of simple shapes, and of synthetic cells."""

import numpy as np
import pytest

from wbc.classical import features
from wbc.classical.features import (
    _DARKEST,
    _ON_BORDER,
    _VIOLET,
    FEATURES,
    count_lobes,
    edge_distance,
    measure,
    measure_all,
)
from wbc.data import CELL_CLASSES
from wbc.data.pipeline.segmentation import Segmentation, segment
from wbc.data.synthetic import draw_cell

Y, X = np.mgrid[:128, :128]
GLASS, NUCLEUS, PLASMA = (235, 230, 235), (95, 40, 150), (200, 165, 205)


def disc(y: float, x: float, radius: float) -> np.ndarray:
    return (Y - y) ** 2 + (X - x) ** 2 <= radius**2


def photograph(cell: np.ndarray, nucleus: np.ndarray, plasma=PLASMA) -> np.ndarray:
    """A cell in uniform colors on glass."""
    image = np.where(cell[..., None], np.array(plasma), np.array(GLASS))
    return np.where(nucleus[..., None], np.array(NUCLEUS), image).astype(np.uint8)


def named(pixels: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURES, measure(pixels), strict=True))


ROUND = photograph(disc(64, 64, 40), disc(64, 64, 30))


def test_a_round_cell_by_hand():
    found = named(ROUND)
    assert found["cell_area"] == pytest.approx(np.pi * 40**2 / 128**2, rel=0.06)
    assert found["nucleus_ratio"] == pytest.approx(30**2 / 40**2, rel=0.06)
    assert found["nucleus_perimeter"] == pytest.approx(2 * np.pi * 30 / 128, rel=0.05)
    assert found["nucleus_circularity"] == pytest.approx(1, abs=0.08)
    assert found["nucleus_solidity"] == pytest.approx(1, abs=0.03)
    assert found["nucleus_thickness"] == pytest.approx(1, abs=0.05)
    assert found["nucleus_eccentricity"] < 0.15
    assert found["lobes"] == 1
    assert found["plasma_lightness"] > found["nucleus_lightness"] + 20


def test_texture_is_that_of_the_area_it_is_measured_in():
    draw = np.random.default_rng(0)
    noise = draw.normal(0, 12, (128, 128, 1))
    nucleus = disc(64, 64, 30)[..., None]
    plain = named(ROUND)
    mottled = named(np.clip(ROUND + noise * nucleus, 0, 255).astype(np.uint8))
    assert mottled["nucleus_contrast"] > 2 * plain["nucleus_contrast"]
    assert mottled["nucleus_homogeneity"] < plain["nucleus_homogeneity"] - 0.2
    assert mottled["plasma_homogeneity"] == pytest.approx(plain["plasma_homogeneity"], abs=0.1)
    assert plain["nucleus_homogeneity"] > 0.9


def test_an_elongated_nucleus():
    """An ellipse of half axes 36 and 18: eccentricity sqrt(1 - 1/4)."""
    nucleus = ((Y - 64) / 36) ** 2 + ((X - 64) / 18) ** 2 <= 1
    found = named(photograph(disc(64, 64, 42), nucleus))
    assert found["nucleus_eccentricity"] == pytest.approx(np.sqrt(0.75), abs=0.03)
    assert found["nucleus_circularity"] < 0.9
    assert found["nucleus_thickness"] == pytest.approx(18 / np.sqrt(36 * 18), abs=0.06)


@pytest.mark.parametrize("lobes", [1, 2, 3, 4])
def test_lobes_are_counted(lobes: int):
    """Discs in a row that overlap a little, and apart."""
    touching = sum(disc(64, 20 + 22 * number, 13) for number in range(lobes)) > 0
    apart = sum(disc(64, 20 + 28 * number, 11) for number in range(lobes)) > 0
    assert count_lobes(edge_distance(touching)) == count_lobes(edge_distance(apart)) == lobes


def test_a_bump_is_not_a_lobe():
    assert count_lobes(edge_distance(disc(64, 64, 30) | disc(64, 92, 8))) == 1
    assert count_lobes(edge_distance(np.ones((40, 40), bool))) == 1


def test_rotation_and_mirroring_change_little():
    pixels = draw_cell("NEUTROPHIL", 128, np.random.default_rng(3))
    plain = measure(pixels)
    for turned in (np.rot90(pixels), pixels[:, ::-1], np.rot90(pixels, 2)):
        np.testing.assert_allclose(measure(turned), plain, rtol=0.03, atol=0.3)


def test_a_darker_lamp_changes_little():
    pixels = draw_cell("EOSINOPHIL", 128, np.random.default_rng(1))
    darker = np.rint(pixels * np.array([0.75, 0.8, 0.7])).astype(np.uint8)
    names = list(FEATURES)
    bright, dark = named(pixels), named(darker)
    for name in names:
        if name.startswith(("cell_", "nucleus_ratio", "nucleus_sol")):
            assert dark[name] == pytest.approx(bright[name], abs=0.05), name
        if name.endswith(("lightness", "green", "blue")):
            assert dark[name] == pytest.approx(bright[name], abs=6), name


def test_the_size_of_the_photograph_changes_little():
    large, small = (
        named(draw_cell("MONOCYTE", size, np.random.default_rng(5)).astype(np.uint8)) for size in (224, 112)
    )
    for name in ("cell_area", "nucleus_ratio", "nucleus_perimeter", "nucleus_solidity"):
        assert small[name] == pytest.approx(large[name], rel=0.12), name


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((64, 64, 3), 255, np.uint8),
        np.zeros((64, 64, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8),
        photograph(disc(64, 64, 40), disc(64, 64, 40)),
    ],
    ids=["white", "black", "noise", "all nucleus"],
)
def test_every_image_has_finite_features(pixels: np.ndarray):
    assert np.isfinite(measure(pixels)).all()


def test_kinds_differ_as_books_say():
    """Means of synthetic cells, fifteen per kind."""
    tables = {}
    for number, kind in enumerate(CELL_CLASSES):
        cells = [draw_cell(kind, 96, np.random.default_rng([number, index])) for index in range(15)]
        tables[kind] = dict(zip(FEATURES, measure_all(np.array(cells)).mean(axis=0), strict=True))
    assert tables["LYMPHOCYTE"]["nucleus_circularity"] == max(
        table["nucleus_circularity"] for table in tables.values()
    )
    assert tables["NEUTROPHIL"]["lobes"] > tables["LYMPHOCYTE"]["lobes"]
    assert tables["EOSINOPHIL"]["plasma_red_green"] == max(
        table["plasma_red_green"] for table in tables.values()
    )


def test_gray_is_in_levels_of_lightness(monkeypatch):
    """Half as light as glass, 50 of 100, is level 16 of 32; white is the last level."""
    seen = []
    monkeypatch.setattr(
        features, "_texture", lambda gray, mask: seen.append(gray) or {"contrast": 1, "homogeneity": 1}
    )
    lab = np.zeros((128, 128, 3))
    lab[0], lab[1], lab[2], lab[3] = 100.0, 50.0, 49.9, 99.9
    monkeypatch.setattr(features, "_relative_to_glass", lambda pixels: lab)
    measure(ROUND)
    gray = seen[0][:5, 0].tolist()
    last = features.LEVELS - 1
    assert (
        gray == [last, features.LEVELS // 2, features.LEVELS // 2 - 1, last, 0] and seen[0].dtype == np.uint8
    )


def test_texture_by_hand():
    """Neighbors along rows, columns and diagonals that are both inside; levels 0 and 3 beside each other."""
    gray = np.array([[0, 3], [0, 3]], np.uint8)
    whole = features._texture(gray, np.ones((2, 2), bool))
    # Of 12 directed pairs: 4 in rows and 4 on diagonals differ by 3, and 4 in columns do not.
    pairs = {"rows": (4, 3), "diagonals": (4, 3), "columns": (4, 0)}
    total = sum(count for count, _ in pairs.values())
    assert whole["contrast"] == pytest.approx(sum(n * d**2 for n, d in pairs.values()) / total)
    assert whole["homogeneity"] == pytest.approx(sum(n / (1 + d**2) for n, d in pairs.values()) / total)
    left = np.array([[True, False], [True, False]])
    assert features._texture(gray, left) == {"contrast": 0.0, "homogeneity": 1.0}
    assert features._texture(gray, np.eye(2, dtype=bool)[:1].repeat(2, axis=0) & False) == {
        **{"contrast": 0.0, "homogeneity": 1.0}
    }


def test_colors_are_means_and_spreads_inside_the_mask():
    lab = np.array([[[10.0, 1.0, 5.0], [30.0, 3.0, 9.0], [99.0, 99.0, 99.0]]])
    found = features._colors(lab, np.array([[True, True, False]]))
    assert found == {"lightness": 20, "red_green": 2, "yellow_blue": 7, "mottling": 10, "granules": 1}


@pytest.mark.parametrize(
    ("color", "on_border", "plausible"),
    [
        ((_DARKEST, 0, _VIOLET), 0.0, True),
        ((_DARKEST - 1, 0, _VIOLET), 0.0, _DARKEST - 1 >= _DARKEST),
        ((_DARKEST, 1, _VIOLET), 0.0, False),
        ((_DARKEST, 0, _VIOLET), _ON_BORDER, True),
        ((_DARKEST, 0, _VIOLET), _ON_BORDER + 0.05, False),
    ],
)
def test_what_may_be_a_nucleus(color, on_border, plausible):
    side = 101
    pixels = np.broadcast_to(np.array(color, np.uint8), (side, side, 3))
    nucleus = np.zeros((side, side), bool)
    nucleus[40:60, 40:60] = True
    border = np.ones_like(nucleus)
    border[1:-1, 1:-1] = False
    places = np.argwhere(border)[: int(on_border * border.sum())]
    nucleus[tuple(places.T)] = True
    found = Segmentation(nucleus, nucleus)
    assert features.is_plausible(pixels, found) is plausible
    assert not features.is_plausible(pixels, Segmentation(nucleus, nucleus, "a guess"))


def test_distances_are_those_inside_the_bounding_box_and_a_frame():
    mask = np.zeros((20, 30), bool)
    mask[3:8, 10:21] = True
    distance = edge_distance(mask)
    assert distance.shape == (5 + 2, 11 + 2) and distance[3, 6] == 3 and distance[1, 1] == 1
    assert not distance[0].any() and not distance[:, -1].any()


def test_other_sizes_are_resized_bilinearly(monkeypatch):
    seen = []
    monkeypatch.setattr(features, "segment", lambda pixels: seen.append(pixels) or segment(pixels))
    ramp = np.zeros((64, 64, 3), np.uint8)
    ramp[:, :, 1] = np.arange(0, 128, 2)
    ramp[:, ::7, 1] = 200  # ridges, which a higher order would overshoot
    measure(ramp)
    place = np.clip((np.arange(128) + 0.5) / 2 - 0.5, 0, 63)
    expected = np.interp(place, np.arange(64), ramp[0, :, 1])
    assert (
        seen[0].shape == (128, 128, 3) and np.abs(seen[0][64, 2:-2, 1] - expected[2:-2]).max() <= 0.5 + 1e-6
    )
