"""Outside programs that tests ask for their opinion: found also where the path lacks the administrator's folders."""

import shutil

import pytest

SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def needs(name: str, package: str) -> str:
    """The program's path; the test is skipped, and says what to install, where it is not there."""
    found = shutil.which(name) or shutil.which(name, path=SEARCHED)
    if found is None:
        pytest.skip(f"{name} is not here (Debian: apt-get install {package})")
    return found
