"""Lists of lines: plain, external dynamic lists of firewalls, pf's tables, hosts files, Squid's access lists."""

from collections.abc import Sequence

from sensor.response.blocklist import ADDRESS, DOMAIN, Entry
from sensor.response.formats.form import Form, Made, addresses, covering, domains, heading


def _plain(entries: Sequence[Entry], made: Made) -> str:
    """One value a line and nothing else."""
    return "".join(f"{entry.value}\n" for entry in entries)


def _edl(entries: Sequence[Entry], made: Made) -> str:
    """One value a line without any comment, which is what Palo Alto, Fortinet and Cisco all take.

    A domain stands twice, since the first of them takes it for itself alone.
    """
    return "".join(
        f"{entry.value}\n" if entry.kind == ADDRESS else f"{entry.value}\n*.{entry.value}\n" for entry in entries
    )


def _pf(entries: Sequence[Entry], made: Made) -> str:
    """A file for `table <kagami> persist file "..."`, loaded by `pfctl -t kagami -T replace -f FILE`."""
    found = [*addresses(entries, 4), *addresses(entries, 6)]
    return heading(len(found), made, "#") + "".join(f"{entry.value}\n" for entry in found)


def _hosts(entries: Sequence[Entry], made: Made) -> str:
    """hosts(5): exact names alone, for both IP versions."""
    found = domains(entries)
    lines = "".join(f"0.0.0.0 {entry.value}\n:: {entry.value}\n" for entry in found)
    return heading(len(found), made, "#", "exact names only: names under them are not blocked") + lines


def _squid(entries: Sequence[Entry], made: Made) -> str:
    """A part for squid.conf. A name below another of the list would keep Squid from starting: it is left out."""
    found = [*addresses(entries, 4), *addresses(entries, 6)]
    names = covering(entries)
    lines = [f"acl kagami_addresses dst {entry.value}\n" for entry in found]
    lines += [f"acl kagami_domains dstdomain .{entry.value}\n" for entry in names]
    lines += ["http_access deny kagami_addresses\n"] if found else []
    lines += ["http_access deny kagami_domains\n"] if names else []
    return heading(len([*found, *names]), made, "#", "include it above the first http_access allow") + "".join(lines)


PLAIN = Form((ADDRESS, DOMAIN), _plain)
EDL = Form((ADDRESS, DOMAIN), _edl, separate=True)
PF = Form((ADDRESS,), _pf)
HOSTS = Form((DOMAIN,), _hosts)
SQUID = Form((ADDRESS, DOMAIN), _squid)
