"""The search for near-duplicates: images that show the same thing. This file is the room's only door.

There are two searches:

- `find_fields` groups photographs of one field of view between which the camera only shifted. It is thorough
  and needs no tuning, but it finds no rotated, mirrored or enlarged copies (`fields`, `shifted`).
- `Gallery` finds those as well, and copies of another size or compression. Cheap searches propose pairs
  (`candidates`), a rough registration of many pairs at once drops most (`rough`), and an exact one confirms the
  others pixel by pixel (`frames`, `registration`, `gallery`).
"""

from wbc.duplicates.candidates import SMALLEST_SIDE
from wbc.duplicates.fields import UNREADABLE, Corner, find_fields, remembered
from wbc.duplicates.frames import SIDE, Picture, read_picture, reduce_picture
from wbc.duplicates.gallery import (
    EXHAUSTIVE_IMAGES,
    METHOD,
    Gallery,
    NearDuplicate,
    find_near_duplicates,
    searches_all_shifts,
)
from wbc.duplicates.registration import Match
from wbc.duplicates.shifted import read_gray

__all__ = [
    "EXHAUSTIVE_IMAGES",
    "METHOD",
    "SIDE",
    "SMALLEST_SIDE",
    "UNREADABLE",
    "Corner",
    "Gallery",
    "Match",
    "NearDuplicate",
    "Picture",
    "find_fields",
    "find_near_duplicates",
    "read_gray",
    "read_picture",
    "reduce_picture",
    "remembered",
    "searches_all_shifts",
]
