"""Drawn blood smears with one white cell each: a data set that needs no download.

A cell is planned in micrometres (`white_cell`, `nucleus`, `shapes`), dyed on glass (`smear`) and photographed
(`microscope`); `generate` writes the files.
"""

from wbc.data.synthetic.generate import SyntheticSettings, draw_cell, generate

__all__ = ["SyntheticSettings", "draw_cell", "generate"]
