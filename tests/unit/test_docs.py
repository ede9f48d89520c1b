"""What the documents and the source promise: commands that exist, docstrings, and nothing of one machine."""

import ast
import importlib.util
import os
import re
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
DOCS = sorted([REPO / "README.md", REPO / "CHANGELOG.md", *(REPO / "docs").glob("*.md")])
BINARY = {".pcap", ".pcapng", ".gz", ".zst", ".lz4", ".xz", ".png", ".pyc"}
IGNORED = {".git"} | {line.strip("/") for line in (REPO / ".gitignore").read_text(encoding="utf-8").split()}

# Written in pieces, so that this file does not hold what it looks for.
MACHINE_TEXTS = [
    re.compile("|".join(("pypi" + r"\.org", "files.python" + "hosted", "/" + "simple/")), re.I),  # a package index
    re.compile(r"(?<![\w.$}~])/" + r"(?:work|root|home/\w+)/"),  # a path of one machine
    re.compile(r"--(?:extra-)?" + r"index-url|--find" + "-links"),
]


def _files() -> list[Path]:
    """Every file of the project; what .gitignore names is no part of it."""
    found = []
    for folder, folders, names in os.walk(REPO):
        folders[:] = [name for name in folders if name not in IGNORED and not name.endswith(".egg-info")]
        found += [Path(folder, name) for name in names if name not in IGNORED]
    return sorted(found)


TEXT_FILES = [path for path in _files() if path.suffix not in BINARY]


@pytest.mark.parametrize("path", TEXT_FILES, ids=lambda path: str(path.relative_to(REPO)))
def test_no_registry_host_and_no_path_of_one_machine(path: Path) -> None:
    if path.is_relative_to(REPO / "pcaps" / "licenses"):
        pytest.skip("a licence stands as its author wrote it")
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [f"{n}: {line.strip()}" for n, line in enumerate(lines, 1) for p in MACHINE_TEXTS if p.search(line)]
    assert found == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("index = https://" + "pypi" + ".org/x", True),
        ("cd /" + "work/main", True),
        ("pip --" + "index-url x", True),
        ("see ../shared/work/main and docs/home/page", False),
    ],
)
def test_the_check_itself_tells_such_lines(line: str, told: bool) -> None:
    assert any(pattern.search(line) for pattern in MACHINE_TEXTS) is told


@pytest.mark.parametrize(
    "path",
    sorted(path for package in ("sensor", "analyzers", "benchmarks") for path in (REPO / package).rglob("*.py")),
    ids=lambda path: str(path.relative_to(REPO)),
)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text))  # an empty __init__.py only makes a package


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(REPO)))
def test_links_lead_to_files(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.skipif(importlib.util.find_spec("sensor.cli.main") is None, reason="the command line is not there yet")
@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(REPO)))
def test_commands_in_the_documents_exist(path: Path) -> None:
    """Each `kagami verb` in a code block or in backticks is a command of the program."""
    from sensor.cli.main import VERBS

    text = path.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```.*?\n(.*?)```", text, re.S) + re.findall(r"`([^`\n]+)`", text))
    written = set(re.findall(r"(?:^|[\s$|])kagami (?:--store \S+ )?([a-z][a-z-]*)\b", code, re.M))
    assert written <= VERBS.keys()


def test_make_targets_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.M))
    written = set(re.findall(r"\bmake ([a-z]+)\b", (REPO / "README.md").read_text(encoding="utf-8")))
    assert written
    assert written <= targets


def test_dependencies_are_pinned_exactly_and_nothing_else_is_said() -> None:
    lines = (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    shape = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*(; python_version (<|>=) \"3\.\d+\")?")
    assert [pin for pin in pins if not shape.fullmatch(pin)] == []
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    pinned = {re.split("==", pin)[0].lower().replace("_", "-") for pin in pins}
    assert {re.split(r"[^\w-]", text)[0].lower() for text in wanted} <= pinned
