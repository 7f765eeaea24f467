"""Downloads of pinned files, with answers that a test makes up: how often, from where on, and what is said."""

import hashlib
import io
from http.client import HTTPException
from urllib.error import HTTPError, URLError

import pytest

from wbc.data import download as module
from wbc.data.download import RemoteFile, check, download, is_there
from wbc.errors import InputError

CONTENT = b"0123456789" * 20_000
PINNED = RemoteFile("set/x.bin", "place/x.bin", hashlib.sha256(CONTENT).hexdigest())


class Answer(io.BytesIO):
    """Of a server."""

    def __init__(self, content: bytes, status: int = 200, length: int | None = None):
        super().__init__(content)
        self.status = status
        self.headers = {} if length is None else {"Content-Length": str(length)}


class Server:
    """Answers in turn; an error is raised."""

    def __init__(self, monkeypatch, *answers):
        self.answers, self.asked = list(answers), []
        monkeypatch.setattr(module, "urlopen", self)

    def __call__(self, request, timeout):
        assert timeout == 30.0
        self.asked.append((request.full_url, request.headers.get("Range")))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def refused(code: int) -> HTTPError:
    return HTTPError("http://x", code, "Reason", {}, None)


def fetched(path, file=PINNED, base="http://h/", told=None) -> list[float]:
    """Download, and how long was waited between attempts."""
    slept = []
    download(file, base, path, "Give a folder.", slept.append, told)
    return slept


def test_a_file_is_asked_for_once_and_what_is_there_is_told(tmp_path, monkeypatch):
    server, told = Server(monkeypatch, Answer(CONTENT, length=len(CONTENT))), []
    assert fetched(tmp_path / "x", told=lambda *numbers: told.append(numbers)) == []
    assert server.asked == [("http://h/place/x.bin", None)] and (tmp_path / "x").read_bytes() == CONTENT
    assert told == [(65536, 200_000), (131_072, 200_000), (196_608, 200_000), (200_000, 200_000)]
    assert is_there(PINNED, tmp_path / "x")


@pytest.mark.parametrize(("status", "kept"), [(206, True), (200, False)])
def test_what_is_there_is_completed_where_the_server_can(tmp_path, monkeypatch, status, kept):
    (tmp_path / "x").write_bytes(CONTENT[:100])
    rest = CONTENT[100:] if kept else CONTENT
    server, told = Server(monkeypatch, Answer(rest, status, len(rest))), []
    fetched(tmp_path / "x", told=lambda *numbers: told.append(numbers))
    assert server.asked == [("http://h/place/x.bin", "bytes=100-")]
    assert (tmp_path / "x").read_bytes() == CONTENT and told[-1] == (200_000, 200_000)


def test_a_size_that_is_pinned_goes_before_what_the_server_says(tmp_path, monkeypatch):
    sized = RemoteFile("x", "x", PINNED.hash, len(CONTENT))
    told = []
    Server(monkeypatch, Answer(CONTENT, length=7))
    fetched(tmp_path / "x", sized, told=lambda *numbers: told.append(numbers))
    assert {whole for _, whole in told} == {200_000}
    server = Server(monkeypatch)
    assert fetched(tmp_path / "x", sized) == [] and server.asked == [], "complete"
    (tmp_path / "x").write_bytes(CONTENT + b"!")
    with pytest.raises(InputError, match="is not the pinned file"):
        fetched(tmp_path / "x", sized)
    assert server.asked == []
    (tmp_path / "x").write_bytes(CONTENT[:-1])
    Server(monkeypatch, Answer(CONTENT[-1:], 206, 1))
    assert fetched(tmp_path / "x", sized) == []


def test_without_a_length_the_end_is_the_end(tmp_path, monkeypatch):
    told = []
    Server(monkeypatch, Answer(CONTENT))
    fetched(tmp_path / "x", told=lambda *numbers: told.append(numbers))
    assert told[-1] == (200_000, None)


def test_a_range_beyond_the_end_leaves_what_is_there(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(CONTENT)
    Server(monkeypatch, refused(416))
    assert fetched(tmp_path / "x") == []
    Server(monkeypatch, refused(416))
    with pytest.raises(InputError, match="answered 416"):
        fetched(tmp_path / "none")


@pytest.mark.parametrize(
    "lost",
    [
        URLError("name unknown"),
        ConnectionResetError("reset"),
        HTTPException("no HTTP"),
        refused(500),
        Answer(CONTENT[:9], length=200_000),
    ],
    ids=range(5),
)
def test_a_lost_connection_is_tried_three_times_after_one_second_and_two(tmp_path, monkeypatch, lost):
    whole = Answer(CONTENT, length=200_000)
    server = Server(monkeypatch, lost, lost, whole)
    if isinstance(lost, Answer):
        server.answers[1:] = [
            Answer(CONTENT[9:20], 206, 200_000 - 9),
            Answer(CONTENT[20:], 206, 200_000 - 20),
        ]
    assert fetched(tmp_path / "x") == [1.0, 2.0]
    assert len(server.asked) == 3 and (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("lost", "what", "way_out"),
    [
        (
            refused(503),
            "set/x.bin cannot be downloaded: http://h/place/x.bin answered 503 Reason",
            "Give a folder.",
        ),
        (
            URLError("name unknown"),
            "set/x.bin cannot be downloaded from http://h/place/x.bin: name unknown",
            "Repeat the command to resume, or give a folder.",
        ),
        (
            Answer(b"", length=200_000),
            "set/x.bin cannot be downloaded from http://h/place/x.bin: the connection ended after 0 of 200000 bytes",
            "Repeat the command to resume, or give a folder.",
        ),
    ],
)
def test_the_third_failure_is_the_last(tmp_path, monkeypatch, lost, what, way_out):
    again = [Answer(b"", length=200_000) if isinstance(lost, Answer) else lost for _ in range(3)]
    server, slept = Server(monkeypatch, *again), []
    with pytest.raises(InputError) as caught:
        download(PINNED, "http://h", tmp_path / "x", "Give a folder.", slept.append)
    assert (caught.value.what, caught.value.way_out) == (what, way_out)
    assert slept == [1.0, 2.0] and len(server.asked) == 3


@pytest.mark.parametrize("code", [404, 499])
def test_what_the_server_refuses_is_not_asked_for_again(tmp_path, monkeypatch, code):
    server = Server(monkeypatch, refused(code))
    with pytest.raises(InputError, match=f"answered {code} Reason"):
        fetched(tmp_path / "x")
    assert len(server.asked) == 1


def test_an_address_that_is_none(tmp_path, monkeypatch):
    Server(monkeypatch, ValueError("unknown url type"))
    with pytest.raises(InputError) as caught:
        fetched(tmp_path / "x", base="http://h")
    assert caught.value.what == "http://h/place/x.bin is no address"
    assert caught.value.way_out == "It should begin with https:// or http://."


@pytest.mark.parametrize(("algorithm", "named"), [("sha256", "SHA-256"), ("md5", "MD5"), ("sha1", "sha1")])
@pytest.mark.parametrize("discard", [True, False])
def test_another_file_is_named_with_both_hashes(tmp_path, algorithm, named, discard):
    path = tmp_path / "x"
    path.write_bytes(b"other")
    wanted = RemoteFile("x.bin", "", hashlib.new(algorithm, CONTENT).hexdigest(), algorithm=algorithm)
    with pytest.raises(InputError) as caught:
        check(wanted, path, "http://h/x", discard)
    found = hashlib.new(algorithm, b"other").hexdigest()
    said = f"x.bin is not the pinned file: http://h/x has {named} {found[:16]}..., expected {wanted.hash[:16]}..."
    assert caught.value.what == said and path.exists() is not discard
    begin = "The file was discarded. Try again, or give" if discard else "Download it, or give"
    assert caught.value.way_out == f"{begin} another folder with --from DIR."
    path.write_bytes(CONTENT)
    check(wanted, path, "http://h/x", discard)


def test_a_file_is_there_if_it_is_the_pinned_one(tmp_path):
    path = tmp_path / "x"
    assert not is_there(PINNED, path)
    path.write_bytes(CONTENT)
    sized = [RemoteFile("x", "", PINNED.hash, size) for size in (None, len(CONTENT), len(CONTENT) - 1)]
    assert [is_there(one, path) for one in sized] == [True, True, False]
    path.write_bytes(CONTENT[:-1] + b"!")
    assert not any(is_there(one, path) for one in sized)
