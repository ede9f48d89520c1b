"""Options that choose rows of the history, and what their values may be.

A value that cannot match anything is an error here, which names the option, the value and what is allowed: an empty
answer to a slip of the pen would pass for "there is nothing". This module never asks the store.
"""

import re
from collections.abc import Callable
from typing import Any

import click

from sensor.constants import APP_NAMES, PROTO_NAMES
from sensor.errors import UsageError
from sensor.store.columns import CONN_STATES, DNS_APPS, EVENT_KINDS
from sensor.store.match import NONE, canonical_address, parse_name, parse_target

_JA3 = re.compile(r"[0-9a-f]{32}", re.I | re.A)
_JA4 = re.compile(r"[a-z][0-9a-z]{2}[di]\d{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}", re.I | re.A)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_N_QTYPES = 1 << 16
_N_RCODES = 16

Check = Callable[[str], str]
"""The value as the store's questions take it. Raises UsageError that names the value and what is allowed."""


class Checked(click.ParamType[str]):
    """A text that a check lets pass; click adds the option's name to what the check says."""

    name = "text"

    def __init__(self, check: Check) -> None:
        self.check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click.ParamType."""
        try:
            return self.check(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


def filter_option(name: str, check: Check, metavar: str, text: str) -> Callable[..., Any]:
    """A filter that may be given several times."""
    return click.option(name, multiple=True, type=Checked(check), metavar=metavar, help=text)


def port_option(text: str) -> Callable[..., Any]:
    """--port, as `port`."""
    return click.option("--port", multiple=True, type=click.IntRange(0, 65535), metavar="N", help=text)


def proxy_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """--via-proxy and --direct, as `via_proxy`: True, False or None."""
    for name, text in (("--direct", "Only what no proxy carried."), ("--via-proxy", "Only what a proxy carried.")):
        verb = click.option(name, is_flag=True, expose_value=False, callback=_choose_way, help=text)(verb)
    return verb


def _choose_way(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.params.setdefault("via_proxy", None)
    if not value:
        return
    wanted = param.name == "via_proxy"
    if ctx.params["via_proxy"] not in (None, wanted):
        raise click.UsageError("choose one of --via-proxy and --direct: nothing is both", ctx)
    ctx.params["via_proxy"] = wanted


# --- checks ---


def an_address(value: str) -> str:
    """An address or a network."""
    try:
        target = parse_target(value)
    except UsageError:
        target = None
    if target is None or target.name:
        raise UsageError(f"{value!r} is no address and no network such as 10.0.0.0/8")
    return value


def a_host(value: str) -> str:
    """One address."""
    try:
        return canonical_address(value)
    except ValueError:
        raise UsageError(f"{value!r} is no address such as 10.0.0.57") from None


def a_target(value: str) -> str:
    """An address, a network or a name."""
    parse_target(value)
    return value


def a_name(value: str) -> str:
    """A name."""
    parse_name(value)
    return value


def some_text(value: str) -> str:
    """Text of any kind, but not none: that would be in everything."""
    if not value:
        raise UsageError("'' is in every text; allowed: one character or more")
    return value


def a_ja3(value: str) -> str:
    """A JA3 fingerprint."""
    if not _JA3.fullmatch(value):
        raise UsageError(f"{value!r} is no JA3 fingerprint; allowed: 32 hexadecimal digits")
    return value


def a_ja4(value: str) -> str:
    """A JA4 fingerprint, of TLS or QUIC."""
    if not _JA4.fullmatch(value):
        example = "t13d1516h2_8daaf6152771_e5627efa2ab1"
        raise UsageError(f"{value!r} is no JA4 fingerprint; allowed: three parts such as {example}")
    return value


def an_app(value: str) -> str:
    """An application that flows are told apart by."""
    return _one_of(value.lower(), value, (*sorted(APP_NAMES[1:]), NONE))


def a_dns_app(value: str) -> str:
    """A protocol with DNS messages."""
    return _one_of(value.lower(), value, DNS_APPS)


def a_kind(value: str) -> str:
    """A kind of event."""
    return _one_of(value.lower(), value, EVENT_KINDS)


def a_state(value: str) -> str:
    """A connection state of Zeek."""
    return _one_of(value.upper(), value, CONN_STATES)


def a_proto(value: str) -> str:
    """A transport protocol by its name or number."""
    word = value.lower().removeprefix("ip-")
    if word in PROTO_NAMES.values():
        return word
    if word.isascii() and word.isdigit() and len(word) <= 3 and int(word) <= 255:
        return PROTO_NAMES.get(int(word), f"ip-{int(word)}")
    raise UsageError(f"{value!r} is no protocol; allowed: tcp, udp, icmp, sctp, or a number such as 47 or ip-47")


def a_method(value: str) -> str:
    """An HTTP method, also an unusual one."""
    if not _TOKEN.fullmatch(value):
        raise UsageError(f"{value!r} is no HTTP method; allowed: a word such as GET, POST or CONNECT")
    return value


def a_qtype(value: str) -> str:
    """A DNS record type by its name or number."""
    from sensor.protocols.dns_codes import qtype_name

    word = value.upper()
    number = word.removeprefix("TYPE")
    if number.isascii() and number.isdigit() and len(number) <= 5 and int(number) < _N_QTYPES:
        return qtype_name(int(number))
    if word not in {qtype_name(code) for code in range(_N_QTYPES)}:
        raise UsageError(f"{value!r} is no DNS type; allowed: A, AAAA, CNAME, MX, TXT, ..., or a number such as TYPE65")
    return word


def an_rcode(value: str) -> str:
    """A DNS response code by its name, or NONE."""
    from sensor.protocols.dns_codes import rcode_name

    return _one_of(value.upper(), value, (*(rcode_name(code) for code in range(_N_RCODES)), NONE.upper()))


def _one_of(word: str, value: str, allowed: tuple[str, ...]) -> str:
    if word not in allowed:
        raise UsageError(f"{value!r} is none of {', '.join(allowed)}")
    return word
