"""Where weights come from: folders, Keras' cache, files, and a server on the loopback interface."""

import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.suite.resolve import resolve_suite
from wbc.errors import InputError, shortened
from wbc.networks import weights
from wbc.networks.weights import check_reachable, keras_homes, locate_weights, missing_weights


def hdf5(size: int = 96, version: int = 0) -> bytes:
    """The start of an HDF5 file that says it is `size` bytes long, and as many bytes."""
    # Signature; version, size of offsets and, read by nobody, of lengths; base address, another one, end of file.
    sizes = bytes([version, 0, 0, 0, 0, 8, 4, 0]) + bytes(8) if version < 2 else bytes([version, 8, 4, 0])
    sizes += bytes(4) if version == 1 else b""
    addresses = bytes(8) + b"\xff" * 8 + size.to_bytes(8, "little")
    return (b"\x89HDF\r\n\x1a\n" + sizes + addresses).ljust(size, b"\0")


@pytest.fixture
def home(tmp_path) -> Path:
    """An empty cache of Keras."""
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras"


@pytest.fixture
def folder(tmp_path) -> Path:
    """An empty weights folder."""
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_random_has_no_file():
    source = locate_weights("random", "VGG16", {}, image_size=224)
    assert (source.kind, source.path, source.url, source.sha256) == ("random", None, None, None)


def test_folder_goes_before_the_cache(folder, home):
    file = folder / "MobileNet-alpha0.5.weights.h5"
    file.write_bytes(hdf5())
    (home / "models" / "mobilenet_5_0_224_tf_no_top.h5").write_bytes(hdf5())
    source = locate_weights(
        "imagenet",
        "MobileNet",
        {"alpha": 0.5, "dropout": 0.3},
        image_size=224,
        weights_folder=folder,
        keras_home=home,
    )
    assert (source.kind, source.path, source.url) == ("folder", file, None)
    assert source.sha256 == hashlib.sha256(hdf5()).hexdigest()


def test_default_that_was_spelled_out_finds_the_short_name(folder, home):
    (folder / "MobileNet.weights.h5").write_bytes(hdf5())
    source = locate_weights(
        "imagenet", "MobileNet", {"alpha": 1.0}, image_size=224, weights_folder=folder, keras_home=home
    )
    assert source.path == folder / "MobileNet.weights.h5"
    assert source.searched == (folder / "MobileNet-alpha1.0.weights.h5", folder / "MobileNet.weights.h5")


def test_cache_has_a_file_for_some_sizes(home):
    file = home / "models" / "mobilenet_1_0_160_tf_no_top.h5"
    file.write_bytes(hdf5())
    found = locate_weights("imagenet", "MobileNet", {}, image_size=160, keras_home=home)
    assert (found.kind, found.path) == ("keras-cache", file)
    assert found.url.endswith("/mobilenet/mobilenet_1_0_160_tf_no_top.h5")
    assert locate_weights("imagenet", "MobileNet", {}, image_size=192, keras_home=home).kind == "download"


def test_download_names_the_address_and_where_was_looked(folder, home):
    source = locate_weights("imagenet", "VGG16", {}, image_size=64, weights_folder=folder, keras_home=home)
    file = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert (source.kind, source.sha256) == ("download", None)
    assert source.url.endswith(f"/vgg16/{file}")
    assert source.searched == (folder / "VGG16.weights.h5", home / "models" / file)


def test_own_weights_serve_where_keras_has_none(folder, home):
    with pytest.raises(InputError, match=r"no ImageNet weights of MobileNet-alpha0\.3"):
        locate_weights(
            "imagenet", "MobileNet", {"alpha": 0.3}, image_size=64, weights_folder=folder, keras_home=home
        )
    (folder / "MobileNet-alpha0.3.weights.h5").write_bytes(hdf5())
    source = locate_weights(
        "imagenet", "MobileNet", {"alpha": 0.3}, image_size=64, weights_folder=folder, keras_home=home
    )
    assert source.kind == "folder"


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_own_file(tmp_path, version):
    file = tmp_path / "mine.weights.h5"
    file.write_bytes(hdf5(48, version))
    source = locate_weights(str(file), "VGG16", {}, image_size=64)
    assert (source.kind, source.path) == ("file", file)


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_torn_file(tmp_path, version):
    file = tmp_path / "mine.weights.h5"
    file.write_bytes(hdf5(4096, version)[:-1])
    with pytest.raises(InputError, match=r"mine\.weights\.h5 is incomplete: it has 4,095 of 4,096 bytes"):
        locate_weights(str(file), "VGG16", {}, image_size=64)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", hdf5(48)[:47], b"<html>404</html>" * 9])
def test_file_in_the_folder_that_is_no_hdf5(folder, content):
    (folder / "VGG16.weights.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"VGG16\.weights\.h5 is not an HDF5 file"):
        locate_weights("imagenet", "VGG16", {}, image_size=64, weights_folder=folder)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("imagnet", "imagnet is not a weights file"),
        ("model.keras", "model.keras is not a weights file"),
        ("missing.weights.h5", "cannot read the weights missing.weights.h5: No such file or directory"),
    ],
)
def test_choice_that_is_no_file(choice, message):
    with pytest.raises(InputError, match=message):
        locate_weights(choice, "VGG16", {}, image_size=64)


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="there is no weights folder"):
        locate_weights("imagenet", "VGG16", {}, image_size=64, weights_folder=tmp_path / "none")


def test_real_weights_are_found(shared, home):
    source = locate_weights(
        "imagenet",
        "MobileNet",
        {"alpha": 0.5},
        image_size=224,
        weights_folder=shared / "weights",
        keras_home=home,
    )
    sums = dict(reversed(line.split()) for line in (shared / "weights/SHA256SUMS").read_text().splitlines())
    assert source.sha256 == sums[source.path.name]


def test_missing_weights_say_where_why_and_what_to_do(folder, home):
    options = {"alpha": 0.25, "dropout": 0.5}
    source = locate_weights(
        "imagenet", "MobileNet", options, image_size=224, weights_folder=folder, keras_home=home
    )
    error = missing_weights("MobileNet", options, source, "connection refused")
    assert error.what == shortened(
        "the ImageNet weights of MobileNet-alpha0.25-dropout0.5 are not on this machine (searched "
        f"{folder}/MobileNet-alpha0.25.weights.h5, {home}/models/mobilenet_2_5_224_tf_no_top.h5), "
        f"and Keras cannot download them from {source.url}: connection refused"
    )
    for way_out in (
        "MobileNet-alpha0.25.weights.h5",
        "--weights DIR",
        'weights = "random"',
        'mode = "scratch"',
    ):
        assert way_out in error.way_out
    assert "cannot" not in missing_weights("MobileNet", options, source).what


class TestKerasHomes:
    def test_variable_goes_first(self, monkeypatch, tmp_path):
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "not" / "yet"))
        assert keras_homes() == [tmp_path / "not" / "yet"]

    def test_home_otherwise(self, monkeypatch, tmp_path):
        monkeypatch.delenv("KERAS_HOME", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert keras_homes() == [tmp_path / ".keras"]

    def test_tilde(self, monkeypatch, tmp_path):
        monkeypatch.setenv("KERAS_HOME", "~/cache")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert keras_homes() == [tmp_path / "cache"]

    def test_folder_that_is_not_writable_is_read_and_replaced(self, monkeypatch, home):
        monkeypatch.setenv("KERAS_HOME", str(home))
        # Permissions do not bind the superuser, who may run this test.
        monkeypatch.setattr(weights.os, "access", lambda path, mode: not Path(path).is_relative_to(home))
        assert keras_homes() == [home, Path("/tmp/.keras")]
        file = home / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
        file.write_bytes(hdf5())
        assert locate_weights("imagenet", "VGG16", {}, image_size=64).path == file


class Handler(BaseHTTPRequestHandler):
    """Has one file; remembers what was asked."""

    def do_HEAD(self):
        self.server.asked.append(self.path)
        self.send_response(200 if self.path.endswith("/here.h5") else 404)
        self.end_headers()

    def log_message(self, *arguments):
        """Stay silent."""


@pytest.fixture
def server(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class TestReachable:
    def test_file_is_there(self, server):
        assert check_reachable(f"http://127.0.0.1:{server.server_port}/here.h5", timeout=30) is None
        assert server.asked == ["/here.h5"]

    def test_file_is_not_there(self, server):
        reason = check_reachable(f"http://127.0.0.1:{server.server_port}/gone.h5", timeout=30)
        assert reason == "the server answers 404 Not Found"

    def test_proxy_of_the_environment_is_asked(self, server, monkeypatch):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        assert check_reachable("http://weights.invalid/here.h5", timeout=30) is None
        assert server.asked == ["http://weights.invalid/here.h5"]

    def test_nobody_listens(self, server):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            assert check_reachable(f"http://127.0.0.1:{port}/here.h5", timeout=30) == "Connection refused"

    def test_no_answer(self, server):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = f"http://127.0.0.1:{silent.getsockname()[1]}/here.h5"
            assert check_reachable(address, timeout=0.05) == "no answer within 0.05 s"

    def test_no_address(self):
        assert check_reachable("nothing") == "unknown url type: 'nothing'"


SUITE = """
[data]
source = "synthetic"
image_size = 64

[weights]
path = "FOLDER/one"

[[matrix]]
mode = "transfer"
backbone = "MobileNet"
"""


@pytest.mark.parametrize(("option", "used"), [(None, "one"), ("two", "two")])
def test_the_folder_of_the_command_line_is_taken_before_that_of_the_suite(tmp_path, home, option, used):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "MobileNet.weights.h5").write_bytes(hdf5())
    path = tmp_path / "suite.toml"
    path.write_text(SUITE.replace("FOLDER", str(tmp_path)))
    suite = resolve_suite(path, tmp_path / "cache", weights=option and tmp_path / option)
    (trial,) = suite.trials
    assert Path(trial.specification["weights"]["path"]).parent.name == used
