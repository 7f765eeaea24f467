"""Files and folders that appear whole or not at all."""

import hashlib
import os
from pathlib import Path

import pytest

from wbc import files
from wbc.files import file_sha256, plain_letters, sync, whole_file, whole_folder, whole_path


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("uni_1", "uni_1"),
        ("", ""),
        ("ünï", "uni-" + hashlib.sha256("ünï".encode()).hexdigest()[:6]),
        ("u\u0308ni\u0308", "uni-" + hashlib.sha256("ünï".encode()).hexdigest()[:6]),
        ("白", "-" + hashlib.sha256("白".encode()).hexdigest()[:6]),
        ("a\udce4", "a-" + hashlib.sha256(b"a\xed\xb3\xa4").hexdigest()[:6]),
    ],
)
def test_names_in_plain_letters_stay_different(text, plain):
    assert plain_letters(text) == plain


def test_a_file_takes_its_name_once_it_is_whole_and_on_the_disk(tmp_path, monkeypatch):
    path, synced = tmp_path / "x.json", []
    monkeypatch.setattr(files, "sync", lambda one: synced.append((one, path.exists())))
    with whole_path(path) as partial:
        partial.write_text("new")
        assert partial == tmp_path / f"x.json.{os.getpid()}.partial" and not path.exists()
    assert synced == [(partial, False), (tmp_path, True)], "the file, then its new name"
    assert path.read_text() == "new" and not partial.exists()
    with pytest.raises(ZeroDivisionError), whole_path(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(ZeroDivisionError), whole_path(path):
        raise ZeroDivisionError


def test_a_text_is_in_utf_8_and_keeps_the_ends_of_lines_that_are_asked_for(tmp_path):
    with whole_file(tmp_path / "x") as file:
        file.write("grün\n")
    assert (tmp_path / "x").read_bytes() == "grün\n".encode()
    with whole_file(tmp_path / "y", newline="") as file:
        file.write("a\r\n")
    assert (tmp_path / "y").read_bytes() == b"a\r\n"
    assert file_sha256(tmp_path / "y") == hashlib.sha256(b"a\r\n").hexdigest()


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "set"
    left = tmp_path / "deep" / "set.partial"
    left.mkdir(parents=True)
    (left / "of a killed process").touch()
    with whole_folder(target) as folder:
        assert folder == left and list(folder.iterdir()) == []
        (folder / "x").touch()
    assert [path.name for path in target.iterdir()] == ["x"] and not left.exists()
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "other") as folder:
        (folder / "x").touch()
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    with whole_folder(tmp_path / "new" / "deeper" / "set"):
        pass
    assert (tmp_path / "new" / "deeper" / "set").is_dir()


def test_what_is_synced_is_closed_also_where_that_fails(tmp_path, monkeypatch):
    seen = []

    def fails(descriptor: int) -> None:
        seen.append(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        sync(tmp_path)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(seen[0])
    monkeypatch.setattr(
        files.os, "fsync", lambda descriptor: seen.append(Path(f"/proc/self/fd/{descriptor}").readlink())
    )
    sync(tmp_path)
    assert seen[-1] == tmp_path.resolve()
