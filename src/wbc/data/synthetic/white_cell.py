"""White blood cells: what a cell of each kind consists of, and how much its kind varies.

The kinds overlap on purpose, as they do under the microscope. There are eosinophils with faint granules,
neutrophils with two lobes or a band, monocytes with a nearly round nucleus, and large reactive lymphocytes.
No single cue (size, color, number of lobes) distinguishes them. The form of the nucleus, its chromatin and
the cytoplasm together do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from wbc.data.synthetic import nucleus as nuclei
from wbc.data.synthetic.nucleus import Nucleus
from wbc.data.synthetic.shapes import Complexes, Floats, Noise, Outline, Strand


@dataclass(frozen=True)
class Specks:
    """Small round things in the cytoplasm: granules or vacuoles."""

    positions: Complexes
    """x + iy relative to the center of the cell; shape (count,)."""
    radii: Floats
    """Shape (count,)."""
    strengths: Floats
    """How strongly each is stained, or for vacuoles how empty it is (0 to 1); shape (count,)."""


NO_SPECKS = Specks(np.empty(0, complex), np.empty(0), np.empty(0))


@dataclass(frozen=True)
class WhiteCell:
    """One white blood cell, centered on the origin."""

    outline: Outline
    """Edge of the cytoplasm; where the nucleus extends further, the cytoplasm follows it."""
    nucleus: Nucleus
    eosin: float
    """Pink dye in the cytoplasm."""
    azure: float
    """Blue dye in the cytoplasm."""
    rim: float
    """How much bluer the cytoplasm is at its edge than inside, relative."""
    mottling: float
    """Contrast of the cytoplasm."""
    texture: Noise
    """Texture of the cytoplasm."""
    granules: Specks
    """Stained granules."""
    granule_violet: float
    """Share of violet, compared to eosin, in the granules."""
    vacuoles: Specks
    """Empty spots."""


def _specks(
    rng: np.random.Generator,
    count: int,
    radii: tuple[float, float],
    strengths: tuple[float, float],
    outline: Outline,
    body: Strand,
    over_nucleus: float,
) -> Specks:
    """Specks inside the outline; of those above the nucleus only the share `over_nucleus` is kept."""
    if count == 0:
        return NO_SPECKS
    # About half of the candidates are outside or above the nucleus.
    tries = 3 * count
    span = outline.radius * 1.15
    positions = rng.uniform(-span, span, tries) + 1j * rng.uniform(-span, span, tries)
    x, y = positions.real, positions.imag
    inside = outline.distance(x, y) < -0.3
    clear = (body.distance(x, y) > 0.1) | (rng.random(tries) < over_nucleus)
    kept = positions[inside & clear][:count]
    return Specks(kept, rng.uniform(*radii, len(kept)), rng.uniform(*strengths, len(kept)))


def _nucleus(
    rng: np.random.Generator, body: Strand, density: float, clumping: float, wobble: float
) -> Nucleus:
    chromatin = (Noise.sample(rng, rng.uniform(0.6, 0.85)), Noise.sample(rng, 0.32))
    wobbles = (Noise.sample(rng, 1.3), Noise.sample(rng, 1.3))
    return Nucleus(body, density, clumping, chromatin, wobbles, wobble)


def neutrophil(rng: np.random.Generator) -> WhiteCell:
    """A neutrophil: usually three to five lobes, sometimes two or a band; pale pink, fine granules."""
    radius = rng.uniform(5.0, 7.3)
    outline = Outline.sample(rng, radius, rng.uniform(0, 0.07), 0.035)
    lobes = rng.choice([1, 2, 3, 4, 5], p=[0.12, 0.12, 0.34, 0.28, 0.14])
    if lobes == 1:
        body = nuclei.bent(rng, radius, rng.uniform(3.0, 4.6), rng.uniform(0.19, 0.26), rng.uniform(1.6, 2.1))
    else:
        body = nuclei.lobed(rng, radius, lobes, 0.33 - 0.022 * lobes)
    granules = _specks(rng, int(rng.integers(90, 220)), (0.10, 0.22), (0.03, 0.17), outline, body, 0.15)
    return WhiteCell(
        outline=outline,
        nucleus=_nucleus(rng, body, rng.uniform(0.78, 1.15), rng.uniform(0.12, 0.24), 0.16),
        eosin=rng.uniform(0.13, 0.31),
        azure=rng.uniform(0.02, 0.11),
        rim=rng.uniform(-0.1, 0.2),
        mottling=rng.uniform(0.05, 0.16),
        texture=Noise.sample(rng, 0.7),
        granules=granules,
        granule_violet=rng.uniform(0.05, 0.3),
        vacuoles=NO_SPECKS,
    )


def eosinophil(rng: np.random.Generator) -> WhiteCell:
    """An eosinophil: usually two thick lobes; coarse orange-red granules, faint in some cells."""
    radius = rng.uniform(5.2, 7.5)
    outline = Outline.sample(rng, radius, rng.uniform(0, 0.08), 0.035)
    lobes = rng.choice([1, 2, 3], p=[0.12, 0.70, 0.18])
    if lobes == 1:
        body = nuclei.bent(rng, radius, rng.uniform(1.8, 3.4), rng.uniform(0.26, 0.34), rng.uniform(1.0, 1.4))
    else:
        body = nuclei.lobed(rng, radius, lobes, 0.39 - 0.035 * lobes)
    faint = rng.random() < 0.15
    strengths = (0.20, 0.38) if faint else (0.38, 0.85)
    count = int(rng.integers(150, 280))
    return WhiteCell(
        outline=outline,
        nucleus=_nucleus(rng, body, rng.uniform(0.72, 1.08), rng.uniform(0.10, 0.22), 0.14),
        eosin=rng.uniform(0.18, 0.34),
        azure=rng.uniform(0.02, 0.12),
        rim=rng.uniform(-0.1, 0.2),
        mottling=rng.uniform(0.04, 0.12),
        texture=Noise.sample(rng, 0.7),
        granules=_specks(rng, count, (0.34, 0.56), strengths, outline, body, 0.12),
        granule_violet=rng.uniform(0.0, 0.25),
        vacuoles=NO_SPECKS,
    )


def lymphocyte(rng: np.random.Generator) -> WhiteCell:
    """A lymphocyte: small with a dense round nucleus and a thin blue rim; a third are large and reactive."""
    reactive = rng.random() < 0.33
    radius = rng.uniform(5.3, 7.6) if reactive else rng.uniform(3.7, 5.4)
    outline = Outline.sample(rng, radius, rng.uniform(0, 0.12), 0.06 if reactive else 0.03)
    size = rng.uniform(0.62, 0.80) if reactive else rng.uniform(0.80, 0.95)
    body = nuclei.rounded(rng, radius, size, rng.uniform(0, 0.5) ** 2)
    granules = _specks(rng, int(rng.integers(0, 9)) * reactive, (0.18, 0.32), (0.3, 0.6), outline, body, 0.0)
    density = rng.uniform(0.82, 1.12) if reactive else rng.uniform(1.0, 1.4)
    return WhiteCell(
        outline=outline,
        nucleus=_nucleus(rng, body, density, rng.uniform(0.07, 0.17), 0.10),
        eosin=rng.uniform(0.0, 0.08),
        azure=rng.uniform(0.26, 0.62) if reactive else rng.uniform(0.40, 0.95),
        rim=rng.uniform(0.1, 0.7),
        mottling=rng.uniform(0.03, 0.12),
        texture=Noise.sample(rng, 0.9),
        granules=granules,
        granule_violet=0.6,
        vacuoles=NO_SPECKS,
    )


def monocyte(rng: np.random.Generator) -> WhiteCell:
    """A monocyte: large, with a pale lacy kidney of a nucleus, gray-blue cytoplasm and fine vacuoles."""
    radius = rng.uniform(5.9, 9.0)
    outline = Outline.sample(rng, radius, rng.uniform(0, 0.12), 0.08)
    form = rng.choice(["round", "kidney", "horseshoe"], p=[0.18, 0.52, 0.30])
    if form == "round":
        body = nuclei.rounded(rng, radius, rng.uniform(0.60, 0.74), rng.uniform(0.4, 1.0))
    elif form == "kidney":
        body = nuclei.bent(
            rng, radius, rng.uniform(1.7, 2.9), rng.uniform(0.36, 0.46), rng.uniform(0.75, 1.15)
        )
    else:
        body = nuclei.bent(rng, radius, rng.uniform(2.9, 4.3), rng.uniform(0.27, 0.36), rng.uniform(1.3, 1.8))
    granules = _specks(rng, int(rng.integers(0, 130)), (0.10, 0.2), (0.05, 0.22), outline, body, 0.1)
    return WhiteCell(
        outline=outline,
        nucleus=_nucleus(rng, body, rng.uniform(0.58, 0.92), rng.uniform(0.15, 0.32), 0.24),
        eosin=rng.uniform(0.03, 0.14),
        azure=rng.uniform(0.20, 0.46),
        rim=rng.uniform(-0.2, 0.35),
        mottling=rng.uniform(0.10, 0.24),
        texture=Noise.sample(rng, 0.8),
        granules=granules,
        granule_violet=0.4,
        vacuoles=_specks(rng, int(rng.integers(0, 16)), (0.2, 0.6), (0.4, 0.9), outline, body, 0.25),
    )


KINDS: Mapping[str, Callable[[np.random.Generator], WhiteCell]] = {
    "EOSINOPHIL": eosinophil,
    "LYMPHOCYTE": lymphocyte,
    "MONOCYTE": monocyte,
    "NEUTROPHIL": neutrophil,
}
"""Class name -> the function that samples such a cell."""
