"""A finding under the microscope: its packets are carved and dissected by tshark, by way of pyshark, aside.

In: an open store and a finding's flows. Out: fields of the protocols that tell who and what. Costs seconds, so it is
only done when asked for.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sensor.errors import InputError, PrivilegeError
from sensor.response.carve import Carved, carve
from sensor.store.store import Store

MAX_CARVED = 5_000
TIMEOUT_S = 90
_MAX_OUTPUT_BYTES = 8 << 20


def dissect(store: Store, flows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The dissection: `packets` dissected, `rows` (layer, field, value, packets), `error`, `carved`, `missing`
    and `partial`.

    Raises: PrivilegeError when tshark is missing, InputError when no packet of the flows can be had.
    """
    tshark = shutil.which("tshark")
    if tshark is None:
        raise PrivilegeError("--deep needs tshark (Debian: apt-get install tshark)")
    with tempfile.TemporaryDirectory(prefix="kagami-deep-") as folder:
        path = Path(folder, "carved.pcapng")
        carved = carve(store, flows, path, max_packets=MAX_CARVED)
        if not carved.packets:
            raise InputError(f"no packets to dissect: {why_not(carved)}")
        told = _run(path, tshark, Path(folder))
    lacks = {"missing": carved.missing, "partial": carved.partial}
    return told | {"carved": carved.packets, "is_cut": carved.is_cut, **lacks}


def why_not(carved: Carved) -> str:
    """Why packets are missing, in words."""
    return "; ".join(f"{name}: {reason}" for name, reason in carved.missing.items()) or "the captures hold none of them"


def _run(path: Path, tshark: str, folder: Path) -> dict[str, Any]:
    """Run the microscope with nothing of this process's environment and kill all of it when it takes too long."""
    work = folder / "work"
    work.mkdir()
    paths = [str(Path(__file__).resolve().parents[2]), *(entry for entry in sys.path if entry)]
    environment = {"PATH": os.defpath, "HOME": str(work), "LANG": "C.UTF-8", "PYTHONPATH": os.pathsep.join(paths)}
    with (
        (folder / "out").open("w+b") as out,
        subprocess.Popen(
            [sys.executable, "-m", "sensor.response.microscope", str(path), str(Path(tshark).resolve())],
            cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
            start_new_session=True,
        ) as child,
    ):  # fmt: skip
        try:
            _, errors = child.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise InputError(f"tshark took longer than {TIMEOUT_S} s over these packets and was stopped") from None
        finally:
            _end(child.pid)
        out.seek(0)
        text = out.read(_MAX_OUTPUT_BYTES)
    try:
        told: dict[str, Any] = json.loads(text)
    except ValueError:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no word"]
        raise InputError(f"the dissection broke off: {last[0][:300]}") from None
    return told


def _end(group: int) -> None:
    """End the child and the tshark it began."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
