"""One check of the doctor: what was looked at, how it stands, and what to do about it."""

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """status : ok, warn or fail; name : a word or two; told : what was found; fix : the command or step, else empty."""

    status: str
    name: str
    told: str
    fix: str = ""


def ok(name: str, told: str) -> Check:
    """Nothing is wrong."""
    return Check(OK, name, told)


def warn(name: str, told: str, fix: str) -> Check:
    """The sensor works, but sees less or worse than it could."""
    return Check(WARN, name, told, fix)


def fail(name: str, told: str, fix: str) -> Check:
    """The sensor does not work like this."""
    return Check(FAIL, name, told, fix)
