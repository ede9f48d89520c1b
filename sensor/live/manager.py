"""Telling systemd how the service does: sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names.

Without that variable everything here does nothing, so the same program runs at a terminal.
"""

import contextlib
import os
import socket
import time


class Notifier:
    """The service manager's ear."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # an abstract socket is written with @ and begins with a zero
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.connect(address)
            ear.send("\n".join(lines).encode())

    def ready(self) -> None:
        """The ring is open and the store too."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Capture and writer both moved on."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """The site file is being read again; `ready` says that it is done."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The last flush is under way."""
        self._send("STOPPING=1")
