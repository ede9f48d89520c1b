"""A network namespace of one's own for a script that sends traffic: the script starts itself again inside."""

import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
KAGAMI = [sys.executable, "-c", "from sensor.cli.main import main; main()"]
INSIDE = "--inside"


def start_again_inside() -> int:
    """Run this script with its words and INSIDE in a new network namespace; its exit status."""
    user = [] if os.getuid() == 0 else ["--map-root-user"]
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    command = ["unshare", "--net", *user, sys.executable, *sys.argv, INSIDE]
    return subprocess.run(command, env=os.environ | {"PATH": path, "PYTHONPATH": str(REPO)}, check=False).returncode
