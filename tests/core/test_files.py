import stat

import pytest

from simpost.core.errors import InputError
from simpost.core.files import atomic_path, cache_folder, sha256


def test_file_is_absent_when_writing_fails(tmp_path):
    target = tmp_path / "product.h5"
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("killed")
    assert list(tmp_path.iterdir()) == []


def test_old_file_survives_a_failed_rewrite(tmp_path):
    target = tmp_path / "product.h5"
    target.write_bytes(b"whole")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("killed")
    assert target.read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 1


def test_written_file_has_usual_permissions(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("x")
    with atomic_path(tmp_path / "product") as temporary:
        temporary.write_text("x")
    assert stat.S_IMODE((tmp_path / "product").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="expected a folder that can be written to"),
        atomic_path(tmp_path / "file/x"),
    ):
        pass


def test_digest_of_known_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
    assert sha256(tmp_path / "a", 0).startswith("e3b0c44298fc1c14")


def test_cache_folder_follows_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("SIMPOST_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
