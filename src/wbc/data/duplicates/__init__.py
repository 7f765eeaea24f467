"""Images that show the same thing: copies, resized, re-compressed, mirrored, turned, enlarged, moved.

Cheap searches propose pairs (`search`), registration confirms them (`registration`): what is reported agrees
pixel by pixel. `frames` makes images comparable, `rings` holds the search that no rotation disturbs, `peaks`
that for shifts of every size.
"""

from wbc.data.duplicates.search import (
    EXHAUSTIVE_IMAGES,
    METHOD,
    Duplicate,
    Gallery,
    find_duplicates,
    searches_all_shifts,
)

__all__ = ["EXHAUSTIVE_IMAGES", "METHOD", "Duplicate", "Gallery", "find_duplicates", "searches_all_shifts"]
