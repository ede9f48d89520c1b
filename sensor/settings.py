"""What a person says about a live capture: how it is done, how long is kept what it stores, where findings are told.

The keys of the site file for that, and their readers. This module knows nothing of networks; see site.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Reader = Callable[[str, str, Any, list[str]], Any]
"""Takes file, place, value and the list of errors; gives the value, or the default and an error more."""

OUTLET = "outlet."


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where new findings are told, beside `kagami findings`.

    journal : to the systemd journal
    syslog : udp://HOST:PORT, tcp://HOST:PORT or unix:///PATH, empty: nowhere; syslog_format : cef or json
    webhook : URL that JSON is posted to, empty: nowhere; webhook_token_file : file with a bearer token for it
    min_severity : low, medium, high or critical
    per_minute : messages to one outlet a minute, at most; the rest waits
    """

    journal: bool = False
    syslog: str = ""
    syslog_format: str = "cef"
    webhook: str = ""
    webhook_token_file: str = ""
    min_severity: str = "medium"
    per_minute: int = 30


def _text(file: str, key: str, value: Any, errors: list[str]) -> str:
    if isinstance(value, str) and value.isprintable():
        return value
    errors.append(f"{file}: {key} = {value!r}; allowed: text on one line")
    return ""


def _flag(file: str, key: str, value: Any, errors: list[str]) -> bool:
    if not isinstance(value, bool):
        errors.append(f"{file}: {key} = {value!r}; allowed: true or false")
    return value is True


def _one_of(*allowed: str) -> Reader:
    def read(file: str, key: str, value: Any, errors: list[str]) -> str:
        if value in allowed:
            return str(value)
        errors.append(f"{file}: {key} = {value!r}; allowed: {', '.join(allowed)}")
        return allowed[0]

    return read


def _place(*schemes: str) -> Reader:
    """A URL of one of these schemes, with a host, or a path for unix."""
    allowed = " or ".join(f"{scheme}://{'/PATH' if scheme == 'unix' else 'HOST'}" for scheme in schemes)

    def read(file: str, key: str, value: Any, errors: list[str]) -> str:
        try:
            parts = urlsplit(value if isinstance(value, str) else "")
            is_good = parts.scheme in schemes and bool(parts.path if parts.scheme == "unix" else parts.hostname)
            is_good = is_good and parts.port != 0
        except ValueError:
            is_good = False
        if not is_good:
            errors.append(f"{file}: {key} = {value!r}; allowed: {allowed}")
            return ""
        return str(value)

    return read


def _path(file: str, key: str, value: Any, errors: list[str]) -> str:
    if isinstance(value, str) and value.startswith("/") and "\0" not in value:
        return value
    errors.append(f"{file}: {key} = {value!r}; allowed: a path that begins with /")
    return ""


def number(low: float, high: float, default: float, unit: str) -> Reader:
    """A reader of a number within bounds; a whole one where the default is one."""
    kinds = (int,) if isinstance(default, int) else (int, float)

    def read(file: str, key: str, value: Any, errors: list[str]) -> float:
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        if is_number and low <= value <= high:
            return type(default)(value)
        what = "a whole number" if isinstance(default, int) else "a number"
        errors.append(f"{file}: {key} = {value!r}; allowed: {what} of {unit} from {low:g} to {high:g}")
        return default

    return read


SECTIONS: dict[str, dict[str, tuple[str, Reader]]] = {
    "capture": {
        "flush_s": ("flush_s", number(1.0, 3600.0, 10.0, "seconds")),
        "max_flows": ("max_flows", number(1024, 1 << 21, 1 << 19, "flows")),
        "filter": ("filter", _text),
        "workers": ("workers", number(1, 64, 1, "threads")),
        "ring_mib": ("ring_mib", number(8, 2032, 128, "MiB")),
        "keep_packets": ("keep_packets", _flag),
        "keep_flow_bytes": ("keep_flow_bytes", number(0, 1 << 30, 16_384, "bytes")),
        "keep_gib": ("keep_gib", number(0.1, 1e6, 10.0, "GiB")),
    },
    "outlets": {
        "journal": ("outlet.journal", _flag),
        "syslog": ("outlet.syslog", _place("udp", "tcp", "unix")),
        "syslog_format": ("outlet.syslog_format", _one_of("cef", "json")),
        "webhook": ("outlet.webhook", _place("https", "http")),
        "webhook_token_file": ("outlet.webhook_token_file", _path),
        "min_severity": ("outlet.min_severity", _one_of("low", "medium", "high", "critical")),
        "per_minute": ("outlet.per_minute", number(1, 10_000, 30, "messages")),
    },
    "retention": {
        "lake_days": ("lake_days", number(0.0, 36_500.0, 90.0, "days")),
        "lake_gib": ("lake_gib", number(0.0, 1e6, 0.0, "GiB")),
        "results_days": ("results_days", number(0.0, 36_500.0, 400.0, "days")),
        "free_gib": ("free_gib", number(0.0, 1e6, 1.0, "GiB")),
    },
}
"""Section -> key -> (field of Site, or of Outlets behind OUTLET; reader of the value)."""
