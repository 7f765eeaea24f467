"""BCCD from a server on loopback: interrupted, resumed, wrong, missing, gone."""

import hashlib
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wbc.data.bccd.download import bccd_files, copy_bccd, download_bccd
from wbc.data.download import RemoteFile
from wbc.errors import InputError

CONTENT = {
    "labels.csv": b",Image,Category\n,0,MONOCYTE\n",
    "Annotations/a.xml": b"<annotation/>" * 40,
    "JPEGImages/a.jpg": bytes(range(256)) * 2000,
}


@pytest.fixture
def pinned(monkeypatch):
    """Three files in place of the 729."""
    files = tuple(
        RemoteFile(name, f"who/what/c0ffee/{name}", hashlib.sha256(content).hexdigest(), len(content))
        for name, content in CONTENT.items()
    )
    monkeypatch.setattr("wbc.data.bccd.download.bccd_files", lambda: files)
    return files


class Server:
    """What it serves, how it fails, and what it was asked for."""

    def __init__(self):
        self.content = {f"/who/what/c0ffee/{name}": content for name, content in CONTENT.items()}
        self.asked: list[tuple[str, str | None]] = []
        self.cut_after: dict[str, list[int]] = {}
        self.ranges = True


@contextmanager
def serving():
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append((self.path.rpartition("/")[2], wanted))
            if self.path not in state.content:
                self.send_error(404)
                return
            body = state.content[self.path]
            start = int(re.search(r"bytes=(\d+)-", wanted)[1]) if wanted and state.ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            cuts = state.cut_after.get(self.path.rpartition("/")[2], [])
            end = start + cuts.pop(0) if cuts else len(body)
            self.wfile.write(body[start:end])

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def download(folder, base) -> int:
    return download_bccd(folder, base, sleep=lambda seconds: None)


def test_every_file_arrives_and_none_is_fetched_twice(pinned, tmp_path):
    with serving() as (state, base):
        assert download(tmp_path / "bccd", base) == 3
        for name, content in CONTENT.items():
            assert (tmp_path / "bccd" / name).read_bytes() == content
        assert download(tmp_path / "bccd", base) == 0
        (tmp_path / "bccd" / "labels.csv").write_bytes(b"damaged since")
        assert download(tmp_path / "bccd", base) == 1
        assert [name for name, _ in state.asked] == ["labels.csv", "a.xml", "a.jpg", "labels.csv"]
    assert not list((tmp_path / "bccd").rglob("*.partial"))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_lost_connection_resumes_where_it_stopped(pinned, tmp_path, ranges):
    with serving() as (state, base):
        state.ranges = ranges
        state.cut_after["a.jpg"] = [100_000]
        download(tmp_path, base)
        assert (tmp_path / "JPEGImages" / "a.jpg").read_bytes() == CONTENT["JPEGImages/a.jpg"]
        assert [r for name, r in state.asked if name == "a.jpg"] == [None, "bytes=100000-"]


def test_an_interrupted_download_is_resumed_by_the_next(pinned, tmp_path):
    with serving() as (state, base):
        state.cut_after["a.jpg"] = [70_000, 70_000, 70_000]
        with pytest.raises(InputError, match=r"JPEGImages/a\.jpg cannot be downloaded") as caught:
            download(tmp_path, base)
        assert "to resume" in caught.value.way_out
        assert (tmp_path / "JPEGImages" / "a.jpg.partial").stat().st_size == 210_000
        assert not (tmp_path / "JPEGImages" / "a.jpg").exists()
        state.asked.clear()
        assert download(tmp_path, base) == 1
        assert state.asked == [("a.jpg", "bytes=210000-")]


def test_a_wrong_hash_names_the_file_and_leaves_nothing(pinned, tmp_path):
    with serving() as (state, base):
        state.content["/who/what/c0ffee/Annotations/a.xml"] = b"<annotation!>" * 40
        with pytest.raises(InputError, match=r"Annotations/a\.xml is not the pinned file"):
            download(tmp_path, base)
        assert not list((tmp_path / "Annotations").iterdir())
        state.content["/who/what/c0ffee/Annotations/a.xml"] = CONTENT["Annotations/a.xml"]
        assert download(tmp_path, base) == 2


def test_a_missing_file_is_named_and_not_asked_for_again(pinned, tmp_path):
    with serving() as (state, base):
        del state.content["/who/what/c0ffee/JPEGImages/a.jpg"]
        with pytest.raises(InputError, match=r"a\.jpg cannot be downloaded: .* answered 404"):
            download(tmp_path, base)
        assert [name for name, _ in state.asked].count("a.jpg") == 1


def test_a_server_that_is_gone(pinned, tmp_path):
    with serving() as (_, base):
        pass
    with pytest.raises(InputError, match=r"labels\.csv cannot be downloaded from http://127") as caught:
        download(tmp_path, base)
    assert "refused" in caught.value.what


def test_from_a_folder(pinned, tmp_path):
    for name, content in CONTENT.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(content)
    assert copy_bccd(tmp_path / "mine", tmp_path / "bccd") == 3
    (tmp_path / "mine" / "Annotations" / "a.xml").write_bytes(b"other")
    with pytest.raises(InputError, match=r"Annotations/a\.xml is not the pinned file"):
        copy_bccd(tmp_path / "mine", tmp_path / "again")
    (tmp_path / "mine" / "labels.csv").unlink()
    with pytest.raises(InputError, match=r"labels\.csv is missing"):
        copy_bccd(tmp_path / "mine", tmp_path / "third")


def test_the_list_holds_the_real_files(shared, tmp_path):
    assert len(bccd_files()) == 729
    assert copy_bccd(shared / "data" / "bccd", tmp_path / "bccd") == 729
    assert all(re.fullmatch(r"[^/]+/[^/]+/[0-9a-f]{40}/.+", file.place) for file in bccd_files())
