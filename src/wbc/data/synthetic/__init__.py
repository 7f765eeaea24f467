"""Synthetic blood smears with one white cell each: a data set that needs no download.

A cell is planned in micrometers (`white_cell`, `nucleus`, `shapes`), stained on glass (`smear`) and
photographed (`microscope`); `generate` writes the files. Caches of synthetic images are keyed by a hash of
this whole folder.
"""

from wbc.data.synthetic.generate import SyntheticSettings, draw_cell, generate

__all__ = ["SyntheticSettings", "draw_cell", "generate"]
