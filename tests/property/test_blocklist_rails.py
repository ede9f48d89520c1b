"""Whatever the findings, the site and what people allowed: no list holds what is one's own, needed, or allowed."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sensor.response.blocklist import build, recheck
from sensor.response.formats.form import Made
from sensor.response.formats.table import FORMS
from sensor.response.infrastructure import is_public_resolver, need_of_name
from sensor.response.lists import render
from sensor.response.rails import SURE_CLIENTS, Rails
from sensor.response.seen import History, Seen
from sensor.site import load_site, parse_address
from sensor.store.desk import Allowed
from sensor.store.match import overlaps, parse_target
from tests.support.cli_store import finding

NOW = 1_700_000_000_000_000_000
SITE = load_site(None, ["10.0.0.0/8", "9.9.0.0/16", "2620:fe::/48"])
DESTINATIONS = SITE.destinations

LABELS = st.sampled_from(["a", "www", "update", "example", "microsoft", "debian", "co", "duckdns"])
NAMES = st.tuples(st.lists(LABELS, min_size=1, max_size=3), st.sampled_from(["com", "org", "jp", "local", "net."])).map(
    lambda parts: ".".join([*parts[0], parts[1]])
)
ADDRESSES = st.one_of(
    st.sampled_from(["8.8.8.8", "9.9.1.1", "11.0.0.1", "11.0.0.2", "64:ff9b::909:101", "::ffff:9.9.1.1", "2620:fe::1",
                     "2a00::1", "2002:909:101::1", "127.0.0.1", "104.16.0.1"]),
    st.ip_addresses().map(str),
)  # fmt: skip
VALUES = st.one_of(NAMES, ADDRESSES)
NETWORKS = st.sampled_from(["11.0.0.0/31", "8.0.0.0/8", "2a00::/16", "128.0.0.0/1"])


@st.composite
def findings(draw: st.DrawFn) -> list[dict[str, Any]]:
    n = draw(st.integers(1, 6))
    return [
        {"id": i, "state": draw(st.sampled_from(["new", "confirmed", "resolved"])), "allowed_by": None}
        | finding(
            dest=draw(VALUES),
            dest_ips=draw(st.lists(ADDRESSES, max_size=3)),
            via_proxy=draw(st.sampled_from(["", "10.0.0.8:3128"])),
        )
        for i in range(n)
    ]


def addresses_in(text: str) -> list[str]:
    found = re.findall(r"(?<![\w.:-])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:]+)(?![\w:])", text)
    return [one for one in found if parse_address(one)]


@given(findings(), st.lists(st.one_of(VALUES, NETWORKS), max_size=3), st.sets(ADDRESSES, max_size=3), st.booleans())
def test_no_list_holds_what_must_not_be_blocked(
    rows: list[dict[str, Any]], allowed: list[str], resolvers: set[str], force: bool
) -> None:
    allows = [Allowed({"id": i, "resp_port": -1}, parse_target(dest), ()) for i, dest in enumerate(allowed)]
    history = History({str(parse_address(one)): Seen(n_resolved=SURE_CLIENTS) for one in resolvers}, 5)
    rails = Rails(SITE, allows, history, force)
    chosen = build(rows, rails, expires_ts=NOW)
    again = recheck(build(rows, Rails(SITE, force_shared=True), expires_ts=NOW).entries, rails)
    for entry in [*chosen.entries, *again.entries]:
        address = parse_address(entry.value)
        target = parse_target(entry.value)
        assert not any(allow.dest is not None and overlaps(allow.dest, target) for allow in allows)
        if address is None:
            assert not need_of_name(entry.value, DESTINATIONS)
        else:
            assert not SITE.is_internal(address)
            assert not is_public_resolver(address, DESTINATIONS)
            assert entry.value not in history.seen
    told = {entry.value for entry in chosen.entries}
    for form in FORMS.keys() - {"rpz"}:  # which writes addresses backwards
        text = render(form, chosen.entries, Made(NOW, 1))
        if form in ("stix", "misp"):
            text = "\n".join(re.findall(r'"value": "([^"]*)"', text)) if json.loads(text) else ""
        assert set(addresses_in(text)) - {"0.0.0.0", "::"} <= told


@given(findings())
def test_settled_findings_bring_nothing_to_any_list(rows: list[dict[str, Any]]) -> None:
    settled = [row | {"state": "false-positive"} for row in rows]
    assert build(settled, Rails(SITE, force_shared=True), expires_ts=NOW).entries == []
