"""The pages of the documentation and the blocks of code in them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """A fenced block: page, line of the fence, and what stands in it."""

    page: str
    line: int
    text: str

    @property
    def name(self):
        return f"{self.page}:{self.line}"


def blocks(language):
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match.group(1) == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(str(page.relative_to(ROOT)), line, match.group(2)))
    return found


def reference():
    """Namespace of the script that makes the reference pages."""
    return runpy.run_path(str(ROOT / "scripts" / "docs_reference.py"))
