"""The ways out: journal, syslog, webhook. Each sends one message, or raises OSError with the reason.

None follows a redirect, retries, or waits longer than TIMEOUT_S.
"""

import errno
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sensor.outlets.message import as_cef, as_json, journal_fields, shortened, syslog_line
from sensor.settings import Outlets

TIMEOUT_S = 10.0
JOURNAL_SOCKET = "/run/systemd/journal/socket"
_DEFAULT_PORTS = {"udp": 514, "tcp": 601}  # RFC 5426, RFC 6587
_LARGEST_DATAGRAM = 8192

Send = Callable[[Mapping[str, Any], str], None]
"""Sends a finding and how it changed; raises OSError."""


def senders(outlets: Outlets) -> dict[str, Send]:
    """The outlets that are set, by name."""
    found: dict[str, Send] = {}
    if outlets.journal:
        found["journal"] = _to_journal
    if outlets.syslog:
        found[f"syslog {outlets.syslog}"] = _syslog(
            outlets.syslog, as_json if outlets.syslog_format == "json" else as_cef
        )
    if outlets.webhook:
        found[f"webhook {outlets.webhook}"] = _webhook(outlets.webhook, outlets.webhook_token_file)
    return found


def _to_journal(finding: Mapping[str, Any], change: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.settimeout(TIMEOUT_S)
        out.connect(JOURNAL_SOCKET)
        out.send(journal_fields(finding, change))


def _syslog(place: str, form: Callable[[Mapping[str, Any], str], bytes]) -> Send:
    parts = urlsplit(place)

    def line_of(finding: Mapping[str, Any], change: str) -> bytes:
        message = form(finding, change)
        return syslog_line(message, finding["severity"], socket.gethostname(), time.time_ns(), os.getpid())

    def over_tcp(finding: Mapping[str, Any], change: str) -> None:
        line = line_of(finding, change)
        address = (parts.hostname or "", parts.port or _DEFAULT_PORTS["tcp"])
        with socket.create_connection(address, TIMEOUT_S) as out:
            out.sendall(f"{len(line)} ".encode() + line)  # octet counting, RFC 6587 section 3.4.1
            _must_be_taken(out)

    def as_datagram(finding: Mapping[str, Any], change: str) -> None:
        while len(line := line_of(finding, change)) > _LARGEST_DATAGRAM:  # cut anywhere, it would be no JSON
            shorter = shortened(finding)
            if shorter == finding:
                words = f"the message is {len(line):,} bytes, a datagram holds {_LARGEST_DATAGRAM:,}"
                raise OSError(errno.EMSGSIZE, words)
            finding = shorter
        with socket.socket(*_datagram_kind(parts.scheme, parts.hostname or "")) as out:
            out.settimeout(TIMEOUT_S)
            out.connect(parts.path if parts.scheme == "unix" else (parts.hostname, parts.port or _DEFAULT_PORTS["udp"]))
            out.send(line)

    return over_tcp if parts.scheme == "tcp" else as_datagram


def _must_be_taken(out: socket.socket) -> None:
    """Close our side and wait for the other's: a receiver that is gone shows as an error here, not as a silent loss."""
    out.shutdown(socket.SHUT_WR)
    while out.recv(4096):
        pass


def _datagram_kind(scheme: str, host: str) -> tuple[int, int]:
    if scheme == "unix":
        return socket.AF_UNIX, socket.SOCK_DGRAM
    family = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][0]
    return int(family), socket.SOCK_DGRAM


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None: the answer is an error, as findings go only where a person said."""
        return


def _webhook(url: str, token_file: str) -> Send:
    opener = urllib.request.build_opener(_NoRedirect)

    def send(finding: Mapping[str, Any], change: str) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": "kagami"}
        if token_file:
            headers["Authorization"] = f"Bearer {_token(Path(token_file))}"
        request = urllib.request.Request(url, as_json(finding, change), headers, method="POST")
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer, suppress(HTTPException):  # URLError is an OSError
                answer.read(1 << 16)  # the status says that it was taken, whatever follows
        except HTTPException as error:
            raise OSError(f"what answers is no web server: {type(error).__name__}") from error

    return send


def _token(path: Path) -> str:
    """The one word in a file, which no message may show."""
    words = path.read_bytes().split()
    if len(words) != 1 or not words[0].isascii() or not words[0].decode().isprintable():
        raise ValueError(f"{path} has to hold one word of ASCII, the token")
    return words[0].decode()
