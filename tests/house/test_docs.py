"""The README and the docs: each code block is run, and prints what the page shows."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.nursery import run

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [page for page in [README, *sorted((ROOT / "docs").rglob("*.md"))] if page.exists()]
MOST_WORDS = 900

FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
NOT_EXECUTED = re.compile(r"<!-- not executed: \S[^>]*-->\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A python block of a page, with the output block that follows it."""

    where: str
    code: str
    output: str
    executed: bool


def blocks(text: str, page: str) -> list[Block]:
    """Find the python blocks of *text*; an output block stands below its code, at most one line of prose between."""
    fences = list(FENCE.finditer(text))
    found = []
    for fence, following in zip(fences, [*fences[1:], None][: len(fences)], strict=True):
        if fence["language"] == "python":
            shown = following is not None and is_output(text[fence.end() : following.start()], following["language"])
            found.append(
                Block(
                    where=f"{page}:{text.count(chr(10), 0, fence.start()) + 1}",
                    code=fence["text"],
                    output=following["text"] if shown and following else "",
                    executed=not NOT_EXECUTED.search(text[: fence.start()]),
                )
            )
    return found


def is_output(between: str, language: str) -> bool:
    prose = between.strip()
    return language in {"", "text"} and "\n" not in prose and not prose.startswith(("#", "<!--"))


EVERY_BLOCK = [block for page in PAGES for block in blocks(page.read_text(encoding="utf-8"), page.name)]


def test_there_is_a_readme():
    """As soon as there is a command to try, there is a README that says so, and the package carries it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert README.exists() or not (ROOT / "src/unbreakable/cli").exists()
    assert not README.exists() or project.get("readme") == "README.md"


def test_the_readme_is_short():
    """The README is read in four minutes."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""

    assert MOST_WORDS >= len([word for word in text.split() if re.search(r"\w", word)])


@pytest.mark.parametrize("block", EVERY_BLOCK, ids=lambda block: block.where)
def test_each_block_is_python(block):
    """Every python block on a page compiles, executed or not."""
    compile(block.code, block.where, "exec")


@pytest.mark.real
@pytest.mark.parametrize("block", [block for block in EVERY_BLOCK if block.executed], ids=lambda block: block.where)
def test_each_block_prints_what_the_page_shows(block, tmp_path):
    """A python block, run by itself in an empty folder, prints exactly the output block below it."""
    script = tmp_path / "block.py"
    script.write_text(block.code, encoding="utf-8")
    done = run([script.name], cwd=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    assert block.output == done.stdout


PAGE = """
```python
print(1)
```
prints

```text
1
```

<!-- not executed: needs a server -->
```python
print(2)
```

A table, far away.

Then more.

```
3
```
"""


def test_the_reader_of_pages_pairs_code_with_its_output():
    """A block is paired with the output right below it, not with whatever comes later."""
    first, second = blocks(PAGE, "page")

    assert Block(where="page:2", code="print(1)\n", output="1\n", executed=True) == first
    assert Block(where="page:12", code="print(2)\n", output="", executed=False) == second
