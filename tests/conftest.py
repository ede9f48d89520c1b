"""Fixtures that every test may use: the shared captures, a store to write in, and how hypothesis runs."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

REPO = Path(__file__).resolve().parent.parent

# A kernel's first call compiles it: no deadline can hold, and the health check would take it for a slow strategy.
settings.register_profile("dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True)
settings.register_profile("long", settings.get_profile("dev"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


FOLDERS = ("live", "cases", "e2e", "differential", "property", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders start in this order: what takes long comes before what fills the gaps at the end."""
    order = {REPO / "tests" / name: number for number, name in enumerate(FOLDERS)}
    items.sort(key=lambda item: order[item.path.parent])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core, and one for tests/live, which mostly waits."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whole files go to a worker, since their tests share set-ups; tests/live as one, beside the others."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "tests/live" if path.startswith("tests/live/") else path

    return ByFile(config, log)


def _shared_data() -> Path | None:
    named = os.environ.get("KAGAMI_SHARED_DATA")
    path = Path(named) if named else REPO.parent / "shared" / "data"
    return path if (path / "pcaps").is_dir() else None


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the repository."""
    return REPO


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of captures, logs and oracles that is too large, or not ours, to keep in the repository."""
    path = _shared_data()
    if path is None:
        pytest.skip("no shared captures: set KAGAMI_SHARED_DATA to their folder, or put it at ../shared/data")
    return path


@pytest.fixture
def store_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh place for a store, also named by KAGAMI_STORE. No site file of the person who runs the tests is read."""
    path = tmp_path / "store"
    monkeypatch.setenv("KAGAMI_STORE", str(path))
    monkeypatch.delenv("KAGAMI_SITE", raising=False)
    return path
