"""BCCD, real stained blood smears: its folder (`source`), its import (`importing`), its `download`.

Caches of prepared images are keyed by a hash of this whole folder.
"""

from wbc.data.bccd.importing import BccdSettings, bccd_photographs, find_bccd_cells, import_bccd
from wbc.data.bccd.source import ANNOTATIONS, bccd_fingerprint, check_bccd_folder, is_bccd_folder

__all__ = [
    "ANNOTATIONS",
    "BccdSettings",
    "bccd_fingerprint",
    "bccd_photographs",
    "check_bccd_folder",
    "find_bccd_cells",
    "import_bccd",
    "is_bccd_folder",
]
