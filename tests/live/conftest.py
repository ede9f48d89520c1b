"""Every test here needs namespaces of its own and compiled kernels."""

from collections.abc import Iterator

import pytest

from sensor.warmup import warm_up
from tests.support.mirror import Namespace, why_not


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as live."""
    for item in items:
        if "/live/" in str(item.path):
            item.add_marker("live")


@pytest.fixture(scope="session", autouse=True)
def _can_capture() -> None:
    reason = why_not("tcpreplay", "sysctl")
    if reason:
        pytest.skip(reason)
    warm_up()


@pytest.fixture
def wire() -> Iterator[Namespace]:
    """A namespace with a cable in it: what goes into `out` comes to `mirror`."""
    with Namespace() as space:
        space.veth("out", "mirror")
        yield space
