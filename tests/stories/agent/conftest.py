"""Knowledge and questions that the stories share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
EGYPT = {
    "Egypt": {
        "pyramids": "The pyramids of Giza stand at the edge of Cairo. The Great Pyramid was built around 2560 BC.",
        "Nile": "The Nile flows north. Cruises between Luxor and Aswan take three to five days.",
        "capital": "Cairo",
    },
    "Mexico": {
        "pyramids": "The Pyramid of the Sun is about 65 metres tall.",
        "capital": "Mexico City",
    },
}


@pytest.fixture
def egypt() -> dict[str, Any]:
    """Return a small knowledge of two countries."""
    return EGYPT


@pytest.fixture
def data():
    """Return a function that reads one of the JSON files beside this one."""
    return lambda name: json.loads((HERE / name).read_text(encoding="utf-8"))


@pytest.fixture
def folder() -> Path:
    """Return where the files of knowledge are."""
    return HERE
