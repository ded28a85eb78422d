"""A kernel is compiled anew when the source of another one has changed."""

import subprocess
import sys
from pathlib import Path

HELPER = """
from simpost.core.compile import kernel

@kernel
def value():
    return {}
"""
CALLER = """
from simpost.core.compile import kernel
from simpost.maps.helper_kernels import value

@kernel
def twice():
    return 2 * value()
"""


def test_a_change_of_a_called_kernel_is_not_missed(tmp_path):
    # a package of two files of kernels, with simpost's own way to compile
    package = tmp_path / "simpost"
    for folder in (package, package / "core", package / "maps"):
        folder.mkdir()
        (folder / "__init__.py").touch()
    import simpost.core.compile

    source = Path(simpost.core.compile.__file__).parent
    for name in ("compile.py", "files.py", "errors.py"):
        (package / "core" / name).write_bytes((source / name).read_bytes())
    (package / "maps" / "caller_kernels.py").write_text(CALLER)
    program = "from simpost.maps.caller_kernels import twice; print(twice())"
    for number in (1, 3):
        (package / "maps" / "helper_kernels.py").write_text(HELPER.format(number))
        command = [sys.executable, "-c", program]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert found.stdout.split() == [str(2 * number)]
    assert list((package / "maps" / "__pycache__").glob("*.nbi"))  # there was a cache to be wrong
