"""The layers of docs/architecture.md, read from the import statements: dependencies point down only."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FILES = sorted(path for package in ("sensor", "analyzers") for path in (REPO / package).rglob("*.py"))

BOTTOM = {
    *("errors", "constants", "dtypes", "site", "settings", "policy", "destinations", "networks", "workdays", "jit"),
    *("parts", "numba_patches", "kernelcache", "far", "bpf", "shelf", "prefetch"),
}
MIDDLE = {"capture", "decode", "flows", "protocols", "store", "response", "outlets"}

RANK = (
    {"cli": 6, "doctor": 5, "run": 4, "warmup": 4, "rolling": 4, "notify": 4, "service": 4, "sitefile": 4}
    | {"analysis": 3, "losses": 3, "survey": 3, "live": 3}
    | {"analyzers": 2, "pipeline": 2, "segments": 2, "sightings": 2}
    | dict.fromkeys(MIDDLE, 1)
    | dict.fromkeys(BOTTOM, 0)
)

FORBIDDEN = {
    "analyzers": MIDDLE | {"pipeline", "segments", "sightings"},  # arrays and a Site, nothing else
    "pipeline": {"analyzers", "response"},  # stores what it sees, judges nothing
    "segments": {"analyzers", "response"},
    "live": {"analyzers", "response"},
    "outlets": {"store", "response"},
    "sightings": {"analyzers", "response", "store"},
    "capture": {"store", "response"},
    "decode": {"store", "response"},
    "flows": {"store", "response"},
    "protocols": {"store", "response"},
}
"""Beyond the order of the layers: what a package must not know although it is no higher."""

PACKET_PATH = {"capture", "decode", "flows", "protocols", "analyzers"}
SLOW_LIBRARIES = {"scapy", "pyshark"}
DECORATORS_OF_KERNELS = {"kernel", "packet_kernel", "intrinsic", "overload"}


def layer(module: str) -> str | None:
    """The layer a dotted module name belongs to; None for other people's modules and for the bare package."""
    parts = module.split(".")
    if parts[0] == "analyzers":
        return "analyzers"
    if parts[0] != "sensor" or len(parts) == 1:
        return None
    return parts[1]


def module_name(path: Path) -> str:
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, with the line; `from sensor import run` is sensor.run."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports out in full"
            module = node.module or ""
            for name in node.names:
                yield (f"{module}.{name.name}" if module == "sensor" else module), node.lineno


def problems(path: Path) -> list[str]:
    """What a file imports although its layer may not."""
    own = layer(module_name(path))
    if own is None:
        return []
    found = []
    for module, line in imports(path):
        other = layer(module)
        place = f"{path.relative_to(REPO)}:{line}"
        if own in PACKET_PATH and module.split(".")[0] in SLOW_LIBRARIES:
            found.append(f"{place}: {module} on the packet path")
        if other is None or other == own or other not in RANK:
            continue
        if RANK[other] > RANK[own]:
            found.append(f"{place}: {own} imports {other}, which stands above it")
        elif other in FORBIDDEN.get(own, ()):
            found.append(f"{place}: {own} must not know {other}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPO)))
def test_dependencies_point_down(path: Path) -> None:
    assert problems(path) == []


def test_every_module_has_a_layer() -> None:
    named = {layer(module_name(path)) for path in FILES} - {None}
    assert named <= RANK.keys(), f"name the layer of {sorted(str(n) for n in named - RANK.keys())} in RANK"


def test_the_check_itself_sees_a_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPO", tmp_path)
    bad = tmp_path / "sensor" / "flows" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("import scapy.all\nfrom sensor import run\nfrom sensor.store.write import append\nimport numpy\n")
    assert problems(bad) == [
        "sensor/flows/bad.py:1: scapy.all on the packet path",
        "sensor/flows/bad.py:2: flows imports run, which stands above it",
        "sensor/flows/bad.py:3: flows must not know store",
    ]


def test_third_party_imports_are_declared() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w-]", text)[0].replace("-", "_") for text in project["dependencies"]}
    used = {module.split(".")[0] for path in FILES for module, _ in imports(path)}
    ours = {"sensor", "analyzers"}
    assert used - ours - set(sys.stdlib_module_names) - {"__future__"} <= declared


def _name(decorator: ast.expr) -> str:
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _untyped(tree: ast.AST, in_kernel: bool = False) -> Iterator[ast.FunctionDef]:
    """Functions without annotations that are neither kernels nor stand inside one."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef):
            yield from _untyped(node, in_kernel)
            continue
        kernel = in_kernel or any(_name(d) in DECORATORS_OF_KERNELS for d in node.decorator_list)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [a for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        if not kernel and (bare or node.returns is None):
            yield node
        yield from _untyped(node, kernel)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPO)))
def test_only_kernels_are_without_types(path: Path) -> None:
    """mypy lets the packages with kernels leave annotations out (see pyproject.toml); only kernels may."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [f"{path.relative_to(REPO)}:{node.lineno} {node.name}" for node in _untyped(tree)] == []
