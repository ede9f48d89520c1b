"""Contacts with indicators that somebody put under watch, as findings. Nothing is judged here but what a contact is."""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzers.finding import Finding, severity_of
from analyzers.parts import rows
from analyzers.words import english as say
from analyzers.words.phrase import Phrase

CONTACT_SCORE = 0.9
LOOKUP_SCORE = 0.65
"""A name that was only asked for: the host may never have gone there, or a program asked on its own."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One host that met one indicator.

    value, reason, origin : the indicator, what is known of it, and where it comes from
    is_lookup : it was only asked of DNS, or given as an answer
    dest, dest_ips, resp_port, proto : the destination, as events have it
    """

    value: str
    reason: str
    origin: str
    is_lookup: bool
    orig_ip: str
    dest: str
    dest_ips: tuple[str, ...]
    resp_port: int
    proto: str
    via_proxy: str
    first_ts: int
    last_ts: int
    events: int
    orig_bytes: int
    resp_bytes: int


def find_watched(contacts: Iterable[Contact]) -> list[Finding]:
    """A finding for each host and destination; several indicators of one destination are reasons of one finding."""
    found: dict[tuple[str, str, int, str], Finding] = {}
    for contact in sorted(contacts, key=lambda one: (one.is_lookup, one.first_ts, one.value)):
        key = (contact.orig_ip, contact.dest, contact.resp_port, contact.proto)
        if key not in found:
            score = LOOKUP_SCORE if contact.is_lookup else CONTACT_SCORE
            found[key] = Finding(
                analyzer="watchlist",
                orig_ip=contact.orig_ip,
                dest=contact.dest,
                dest_ips=contact.dest_ips,
                resp_port=contact.resp_port,
                proto=contact.proto,
                score=score,
                severity=severity_of(score),
                first_ts=contact.first_ts,
                last_ts=contact.last_ts,
                events=contact.events,
                via_proxy=contact.via_proxy,
                techniques=["T1071"],
                parts=rows({"a lookup of an indicator" if contact.is_lookup else "a contact with an indicator": score}),
            )
        finding = found[key]
        finding.first_ts = min(finding.first_ts, contact.first_ts)
        finding.last_ts = max(finding.last_ts, contact.last_ts)
        finding.reasons += _reasons(contact)
    return list(found.values())


def _reasons(contact: Contact) -> list[Phrase]:
    if contact.is_lookup:
        return [say.asked_dns_for(contact.value, contact.reason, contact.origin)]
    return [
        say.contacted(contact.value, contact.reason, contact.origin),
        say.contacts_with_it(contact.events, contact.orig_bytes, contact.resp_bytes),
    ]
