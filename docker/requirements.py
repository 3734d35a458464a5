"""Write ``requirements-scan.txt``: what callcount depends on, without what only training needs.

    python docker/requirements.py

A wheel's dependencies include TensorFlow, so an image that scans installs these by themselves, and
then the wheel without its dependencies. ``tests/test_docker.py`` holds the file to pyproject.toml.
"""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUTPUT = HERE / "requirements-scan.txt"
# Needed by `callcount train`, `demo` and some of `export`, and by nothing else.
TRAINING = {"librosa", "scikit-learn", "tensorflow", "tensorflow-io"}


def dependencies() -> list[str]:
    """The dependencies in pyproject.toml, in its order.

    Read with regular expressions: Python 3.10 has no reader of TOML.
    """
    text = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
    (block,) = re.findall(r"^dependencies = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    return re.findall(r'^\s*"([^"]+)"', block, re.MULTILINE)


def name_of(requirement: str) -> str:
    """The package that a requirement is about."""
    return re.split(r"[^\w.-]", requirement)[0]


def scanning() -> str:
    """The text of the file."""
    kept = [one for one in dependencies() if name_of(one) not in TRAINING]
    head = "# Made by docker/requirements.py of pyproject.toml: all but what training needs.\n"
    return head + "".join(f"{one}\n" for one in kept)


if __name__ == "__main__":
    OUTPUT.write_text(scanning(), encoding="utf-8")
