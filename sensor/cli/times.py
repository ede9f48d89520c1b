"""Points in time: int64 nanoseconds in, RFC 3339 text out, and the words of --since and --until back in.

Everything is UTC. This module never asks for the time of day itself; `parse_when` is told it.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sensor.errors import UsageError

NS = 1_000_000_000
DAY_NS = 86_400 * NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT64_MAX = 2**63 - 1
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RELATIVE = re.compile(r"-?(\d{1,9})([smhdw])")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)?",
)
ALLOWED = "RFC 3339 (2026-11-22T10:00:00Z), a date (2026-11-22), or an age such as -24h or 7d (s, m, h, d, w)"


def rfc3339(ts_ns: int) -> str:
    """2023-11-14T22:13:20.000000000Z (RFC 3339 section 5.6 with all nine digits)."""
    seconds, frac_ns = divmod(ts_ns, NS)
    return f"{_to_the_second(seconds)}.{frac_ns:09d}Z"


@lru_cache(maxsize=1024)  # rows stand in time order, and strftime is most of the cost of a row
def _to_the_second(seconds: int) -> str:
    return f"{_utc(seconds):%Y-%m-%dT%H:%M:%S}"


def short_time(ts_ns: int) -> str:
    """2023-11-14 22:13:20, UTC, for tables that people read."""
    return f"{_utc(ts_ns // NS):%Y-%m-%d %H:%M:%S}"


def _utc(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def parse_when(text: str, now_ns: int, is_end: bool = False) -> int:
    """Nanoseconds since 1970 of a time that a person wrote.

    A time without a zone is UTC. A date is its midnight, or the next one where it ends a range (`is_end`; the ends of
    ranges are exclusive), so that `--since D --until D` is that day. An age counts back from `now_ns`.

    Raises: UsageError that says what is allowed.
    """
    text = text.strip()
    try:
        if match := _RELATIVE.fullmatch(text):
            return _bounded(now_ns - int(match[1]) * _UNIT_S[match[2]] * NS)
        if match := _DATE.fullmatch(text):
            start_ns = _since_epoch_ns(datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC))
            return _bounded(start_ns + (DAY_NS if is_end else 0))
        if match := _RFC3339.fullmatch(text):
            date, minutes, seconds, frac, zone = match.groups()
            zone = zone.upper() if zone and zone != "z" else "Z"
            moment = datetime.fromisoformat(f"{date}T{minutes}{seconds or ':00'}{zone.replace('Z', '+00:00')}")
            return _bounded(_since_epoch_ns(moment) + int((frac or "").ljust(9, "0")))
    except ValueError:  # a 13th month, a 25th hour, a year past 2262
        pass
    raise UsageError(f"{text!r} is no time that kagami understands; allowed: {ALLOWED}")


def _since_epoch_ns(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS


def _bounded(ts_ns: int) -> int:
    if not -_INT64_MAX - 1 <= ts_ns <= _INT64_MAX:
        raise ValueError
    return ts_ns
