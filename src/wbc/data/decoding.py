"""Threads that decode images."""

import os
from concurrent.futures import ThreadPoolExecutor

from PIL import Image


def decoding_pool() -> ThreadPoolExecutor:
    """Threads, one a core, in which images may be opened.

    Pillow looks its formats up at the first image, and threads that do so at once may find a whole image to
    be none; therefore they are looked up before there are threads.
    """
    Image.init()
    return ThreadPoolExecutor(os.cpu_count())
