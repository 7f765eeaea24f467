"""Where the weights of a backbone come from: a folder, Keras' cache, a file, or a download."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wbc.errors import InputError
from wbc.files import file_sha256
from wbc.networks.catalog import find_network
from wbc.specification import WeightsSource

SUFFIX = ".weights.h5"
"""Suffix of the files in a weights folder. Keras recognizes the layout of a file by its name."""

DRAWN_CELLS = Path(__file__).parent / "drawn_cells"
"""Weights that come with leukobench, for `weights = "drawn-cells"`: see `make drawn-weights`."""

_LEGACY_SUFFIXES = (".h5", ".hdf5")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Where Keras puts its cache if the usual folder is not writable; fixed in its source.
_FALLBACK_CACHE = Path("/tmp/.keras")


def locate_weights(
    choice: str,
    name: str,
    options: Mapping[str, Any],
    *,
    image_size: int,
    weights_folder: Path | None = None,
    keras_home: Path | None = None,
) -> WeightsSource:
    """Find the weights of a network without its top. Reads files, but downloads nothing.

    Args:
        choice: `imagenet`, `random`, `drawn-cells`, or the path of a file.
        name: Name of the network.
        options: Its options.
        image_size: Width and height of the images, pixels; some networks have ImageNet weights for several.
        weights_folder: Folder with files `<label>.weights.h5`, which is searched before Keras' cache.
        keras_home: Keras' folder; None: as Keras chooses it (see `keras_homes`).

    Raises:
        InputError: Unknown network or option; a folder or file that is missing, damaged or not HDF5; ImageNet
            weights that neither the folder nor Keras has.
    """
    network = find_network(name, options)
    options = network.check_options(options)
    if choice == "random":
        return WeightsSource("random")
    if choice == DRAWN_CELLS.name.replace("_", "-"):
        return _drawn_cells(network.backbone_labels(options), name)
    if choice != "imagenet":
        path = Path(choice).expanduser()
        if not path.name.endswith(_LEGACY_SUFFIXES):
            raise InputError(
                f"weights of {name}: {choice} is not a weights file",
                f'Give "imagenet", "random", or a file that ends in {SUFFIX}, .h5 or .hdf5.',
            )
        return _found("file", path)

    searched = []
    if weights_folder is not None:
        if not weights_folder.is_dir():
            raise InputError(
                f"there is no weights folder {weights_folder}",
                "Name an existing folder, or remove the setting to use Keras' cache.",
            )
        for label in network.backbone_labels(options):
            searched.append(weights_folder / f"{label}{SUFFIX}")
            if searched[-1].exists():
                return _found("folder", searched[-1], searched=searched)

    file = network.imagenet_file(options, image_size)
    homes = keras_homes() if keras_home is None else [keras_home]
    for home in homes:
        searched.append(home / "models" / file.name)
        if searched[-1].exists():
            return _found("keras-cache", searched[-1], url=file.url, searched=searched)
    return WeightsSource("download", searched[-1], file.url, searched=tuple(searched))


def keras_homes() -> list[Path]:
    """The folders where Keras' files may be. Keras writes into the last one.

    Keras uses `KERAS_HOME` or `~/.keras`, and silently `/tmp/.keras` if that is not writable. Keras ignores
    the files in a read-only `KERAS_HOME`, such as a store that several users share; we use them as well.
    """
    if "KERAS_HOME" in os.environ:
        home = Path(os.environ["KERAS_HOME"] or _FALLBACK_CACHE).expanduser()
    else:
        user = Path("~").expanduser()
        home = (user if os.access(user, os.W_OK) else _FALLBACK_CACHE.parent) / ".keras"
    # Keras creates its folder at import, so the nearest existing folder decides.
    there = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    return [home] if os.access(there, os.W_OK) else [home, _FALLBACK_CACHE]


def check_reachable(url: str, timeout: float = 10.0) -> str | None:
    """Ask the server whether it has the file, without downloading it. Uses the proxies of the environment.

    Args:
        url: Address of the file.
        timeout: Longest wait for the connection and for the answer, seconds.

    Returns:
        None if the file is there, otherwise a short reason.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, build_opener

    try:
        # urlopen would keep the proxies of its first call forever.
        with build_opener().open(Request(url, method="HEAD"), timeout=timeout):
            return None
    except HTTPError as error:
        error.close()
        return f"the server answers {error.code} {error.reason}".strip()
    except (URLError, OSError, HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, TimeoutError):
            return f"no answer within {timeout:g} s"
        return " ".join(str(getattr(cause, "strerror", None) or cause or type(cause).__name__).split())


def fetch_with_keras(name: str, options: Mapping[str, Any], image_size: int) -> None:
    """Download the ImageNet weights of a network without its top, or find them in Keras' cache. Loads Keras.

    Building the network is Keras' only public way to its weights. It also checks that they fit.

    Args:
        name: Name of the network.
        options: Its options.
        image_size: Width and height of the images, pixels; some networks have weights for several.

    Raises:
        InputError: Keras has no such weights, or could not download them; says why in one line.
    """
    network = find_network(name, options)
    network.check_size(image_size)
    file = network.imagenet_file(options, image_size)

    import keras

    build = getattr(keras.applications, name)
    try:
        build(
            **network.check_options(options),
            weights="imagenet",
            include_top=False,
            input_shape=(image_size, image_size, 3),
        )
    # Keras raises a bare Exception if a download fails, and h5py anything for a damaged file.
    except Exception as error:
        # Keras says "URL fetch failure on ADDRESS: CODE -- REASON", and "None" without a code of the server.
        text = str(error).replace(f" on {file.url}", "").replace(": None --", ":")
        reason = " ".join(text.split()) or type(error).__name__
        raise InputError(
            f"Keras could not load the ImageNet weights of {network.label(options)} ({file.url}): {reason}",
            f"Check the connection. If it works, delete {file.name} in Keras' cache and try again.",
        ) from error


def missing_weights(
    name: str, options: Mapping[str, Any], source: WeightsSource, reason: str | None = None
) -> InputError:
    """The error for weights that are not on this machine: where they were searched, and what to do.

    Args:
        name: Name of the network.
        options: Its options.
        source: The result of `locate_weights`, of kind `download`.
        reason: Why they cannot be downloaded; None if nobody tried.
    """
    network = find_network(name, options)
    places = ", ".join(str(path) for path in source.searched)
    what = f"the ImageNet weights of {network.label(options)} are not on this machine (searched {places})"
    if reason is not None:
        what += f", and Keras cannot download them from {source.url}: {reason}"
    return InputError(
        what,
        f"One of: put {network.backbone_labels(options)[0]}{SUFFIX} in a folder and give --weights DIR; "
        "run once with a connection, so that Keras downloads them; "
        'set weights = "random", or mode = "scratch".',
    )


def _drawn_cells(labels: Sequence[str], name: str) -> WeightsSource:
    """Weights that were trained on drawn cells, which come with leukobench."""
    for label in labels:
        path = DRAWN_CELLS / f"{label}{SUFFIX}"
        if path.is_file():
            return _found("file", path)
    known = ", ".join(path.name.removesuffix(SUFFIX) for path in sorted(DRAWN_CELLS.glob(f"*{SUFFIX}")))
    raise InputError(f"there are no weights of {name} from drawn cells", f"There are some of {known}.")


def _found(
    kind: str, path: Path, url: str | None = None, searched: list[Path] | None = None
) -> WeightsSource:
    """A source with an existing file, checked and hashed."""
    _check_hdf5(path)
    return WeightsSource(kind, path, url, file_sha256(path), tuple(searched or (path,)))


def _check_hdf5(path: Path) -> None:
    """Raise InputError unless the file is HDF5 and as long as its superblock says.

    Keras downloads directly to the final name, so an interrupted download leaves an incomplete file there.

    References: HDF5 File Format Specification 3.0, section II.A (superblock).
    """
    way_out = "Delete or replace it."
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise InputError(f"cannot read the weights {path}: {error.strerror}", "Check the path.") from None
    if not head.startswith(_SIGNATURE) or len(head) < 48:
        raise InputError(f"{path} is not an HDF5 file", way_out)
    # The end-of-file address follows the base address; in versions 2 and 3 it follows the extension address.
    version = head[8]
    width = head[13] if version < 2 else head[9]
    start = (24 if version == 0 else 28) + 2 * width if version < 2 else 12 + 2 * width
    end = int.from_bytes(head[start : start + width], "little")
    if path.stat().st_size < end:
        raise InputError(f"{path} is incomplete: it has {path.stat().st_size:,} of {end:,} bytes", way_out)
