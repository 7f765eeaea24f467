"""Predictions of both sides: how they are read, and which images of which seeds belong together."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from comparison_equipment import write_predictions

from bench.compare.learning import compared
from bench.compare.measurement import Images, read_images
from bench.errors import InputError


def images(rows: dict[str, tuple[str, str, bool, float]]) -> Images:
    """File -> source, true class, whether it is predicted right, loss."""
    sources, truth, right, losses = zip(*rows.values(), strict=True)
    content = tuple((one, *map(str, row)) for one, row in rows.items())
    return Images(tuple(rows), sources, truth, np.array(right), np.array(losses), content)


def sides_of(*pairs: tuple[Images | None, Images | None]) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(baseline=SimpleNamespace(images=old), candidate=SimpleNamespace(images=new))
        for old, new in pairs
    ]


D = ("t", "A", True, 1.0)


def test_images_of_several_splits_by_hand():
    """Image b is tested by both seeds; it counts once, with its mean."""
    old = {"a": ("s", "A", True, 1.0), "b": ("s", "B", False, 2.0), "d": D}
    new = {"b": ("s", "B", False, 2.0), "d": D, "a": ("s", "A", False, 3.0)}
    other = (
        {"b": ("s", "B", True, 0.5), "c": ("t", "A", True, 1.0)},
        {"b": ("s", "B", True, 0.25), "c": ("t", "A", False, 2.0)},
    )
    pairs = sides_of((images(old), images(new)), (None, images(new)), tuple(map(images, other)))
    accuracy, loss = compared(pairs).values()
    for found, baseline, candidate, clusters in (
        (accuracy, [2 / 3, 1.0], [1 / 3, 0.5], [-1.0, -1.0]),
        (loss, [4 / 3, 0.75], [2.0, 1.125], [1.875, 1.0]),
    ):
        assert found.baseline == pytest.approx(baseline) and found.candidate == pytest.approx(candidate)
        assert found.clusters.difference.tolist() == clusters and found.clusters.size.tolist() == [2, 2]
        assert not found.identical


A, B = ("s", "A", True, 1.0), ("s", "B", True, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": A, "b": B}, {"a": A}, "the two sides predicted different test images"),
        ({"a": A}, {"a": A, "b": B}, "the two sides predicted different test images"),
        ({"a": A, "b": B}, {"a": A, "c": B}, "the two sides predicted different test images"),
        ({"a": A, "b": B}, {"a": A, "b": A}, "the two sides predicted different test images"),
        ({"a": A, "b": B}, {"b": A, "a": B}, "the two sides predicted different test images"),
        ({"a": A}, None, "the predictions of one side are missing or damaged"),
        (None, {"a": A}, "the predictions of one side are missing or damaged"),
    ],
)
def test_predictions_that_cannot_be_compared(old: dict | None, new: dict | None, said: str):
    assert compared(sides_of((old and images(old), new and images(new)))) == said
    twice = images({"a": A, "b": B})
    doubled = replace(twice, files=("a", "a"))
    assert (
        compared(sides_of((twice, doubled)))
        == compared(sides_of((doubled, twice)))
        == ("the two sides predicted different test images")
    )


@pytest.mark.parametrize("share", ["nan", "-5", "7", "0.05"])
def test_probabilities_that_cannot_be_are_refused(tmp_path, share):
    path = tmp_path / "predictions.csv"
    write_predictions(path, [True, True, True])
    path.write_text(path.read_text().replace("0.9,", f"{share},", 1))
    with pytest.raises(InputError, match="cannot be read"):
        read_images(path)


@pytest.mark.parametrize(
    ("shares", "taken"),
    [
        ("0.5,0.5", True),
        ("1.0,0.0", True),
        ("1.0009,0", True),
        ("1.001,0", False),
        ("0.9,-0.0001", False),
        ("0.49,0.51", False),
        ("0.51,0.49", True),
        ("0.9", False),
        ("0.9,0.1,0", False),
    ],
)
def test_probabilities_at_their_edges(tmp_path, shares: str, taken: bool):
    """The predicted class has the largest, which may be shared."""
    path = tmp_path / "predictions.csv"
    path.write_text(f"file,source,true,predicted,p_A,p_B\nx.png,s,B,A,{shares}\n")
    if not taken:
        with pytest.raises(InputError, match="cannot be read"):
            read_images(path)
        return
    found = read_images(path)
    assert (found.files, found.sources, found.truth, found.right.tolist()) == (
        ("x.png",),
        ("s",),
        ("B",),
        [False],
    )
    own = float(shares.split(",")[1])
    assert found.losses.tolist() == pytest.approx([-np.log(max(own, 1e-12))])


@pytest.mark.parametrize(
    "text", ["", "file,source,true,predicted,p_A\n", "file,source,true,said,p_A\nx,s,A,A,1\n"]
)
def test_a_table_without_rows_or_with_other_columns_is_refused(tmp_path, text: str):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(InputError, match=r"p\.csv cannot be read"):
        read_images(tmp_path / "p.csv")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_images(tmp_path / "q.csv")
