"""Images that show the same thing: copies, resized, re-compressed, mirrored, turned, enlarged, moved.

Cheap searches propose pairs (`search`), registration confirms them (`registration`): what is reported agrees
pixel by pixel. `frames` makes images comparable, `rings` holds the search that no rotation disturbs.
"""

from wbc.data.duplicates.search import Duplicate, find_duplicates, searches_all_shifts

__all__ = ["Duplicate", "find_duplicates", "searches_all_shifts"]
