"""The systemd units: laid out as said, understood by systemd, and as closed as they should be."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sensor.errors import UsageError
from sensor.service import plan_install, running_program, write_install

ANALYZE = shutil.which("systemd-analyze")
PROGRAM = Path("/usr/bin/true")  # systemd looks whether there is one
MOST_EXPOSED = {
    "kagami-capture@.service": 1.5,
    "kagami-analyze.service": 0.5,
    "kagami-prune.service": 0.5,
    "kagami-notify.service": 1.5,
    "kagami-offload@.service": 3.0,
}
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    write_install(plan_install(tmp_path, PROGRAM))
    return tmp_path


def test_every_file_has_its_place_and_the_program_in_it(installed: Path) -> None:
    units = {path.name: path.read_text() for path in (installed / "etc/systemd/system").iterdir()}
    assert units.keys() >= {*MOST_EXPOSED, "kagami.target", "kagami-analyze.timer", "kagami-prune.timer"}
    assert (installed / "etc/sysusers.d/kagami.conf").read_text().endswith("/var/lib/kagami\n")
    assert (installed / "etc/tmpfiles.d/kagami.conf").exists()
    assert not any("@KAGAMI@" in text for text in units.values())
    started = re.findall(r"^Exec\w+=-?(\S+)", "\n".join(units.values()), re.M)
    assert set(started) == {str(PROGRAM), "/bin/kill", "/sbin/ethtool", "/sbin/ip"}


def test_a_site_file_is_never_overwritten_and_units_are(installed: Path) -> None:
    site = installed / "etc/kagami/site.toml"
    site.write_text("[proxies]\naddresses = ['10.0.0.5:3128']\n")
    unit = installed / "etc/systemd/system/kagami.target"
    unit.write_text("old")
    files = plan_install(installed, PROGRAM)
    assert [file.path for file in files if file.is_kept] == [site]
    write_install(files)
    assert "10.0.0.5" in site.read_text()
    assert unit.read_text() != "old"


def test_the_site_file_that_comes_along_is_valid(installed: Path) -> None:
    from sensor.settings import Outlets
    from sensor.site import Site, load_site

    text = (installed / "etc/kagami/site.toml").read_text()
    assert load_site(installed / "etc/kagami/site.toml") == Site(outlets=Outlets(journal=True))
    everything = installed / "all.toml"
    everything.write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.M))
    assert load_site(everything).lake_gib == 200


def test_a_program_that_the_units_cannot_see_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies under /home, which the units may not see"):
        plan_install(tmp_path, Path("/home") / "someone" / "bin" / "kagami")
    assert running_program().name == "kagami"


def test_the_units_ask_for_one_capability_and_say_why_memory_may_be_executable(installed: Path) -> None:
    capture = (installed / "etc/systemd/system/kagami-capture@.service").read_text()
    assert re.findall(r"^(?:Ambient|CapabilityBounding).*=(.*)$", capture, re.M) == ["CAP_NET_RAW", "CAP_NET_RAW"]
    for name in ("kagami-analyze.service", "kagami-prune.service", "kagami-notify.service"):
        text = (installed / "etc/systemd/system" / name).read_text()
        assert re.findall(r"^(?:Ambient|CapabilityBounding).*=(.*)$", text, re.M) == ["", ""]
        assert "MemoryDenyWriteExecute stays off" in text
        assert "NUMBA_CACHE_DIR=/var/cache/kagami" in text


@needs_systemd
@pytest.mark.parametrize(("unit", "most"), MOST_EXPOSED.items())
def test_how_exposed_a_unit_is(installed: Path, unit: str, most: float) -> None:
    assert ANALYZE
    done = subprocess.run(
        [ANALYZE, "security", "--offline=true", "--no-pager", f"--threshold={most * 10:.0f}",
         str(installed / "etc/systemd/system" / unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@needs_systemd
def test_systemd_understands_the_units(installed: Path) -> None:
    assert ANALYZE
    folder = installed / "etc/systemd/system"
    names = [path.name.replace("@.", "@eth1.") for path in folder.iterdir()]
    text = (folder / "kagami-offload@.service").read_text()  # ethtool may not be on the machine that tests
    (folder / "kagami-offload@.service").write_text(re.sub(r"/sbin/\w+", str(PROGRAM), text))
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", *(str(folder / name) for name in names)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "kagami" in line]
    assert (done.returncode, ours) == (0, [])
