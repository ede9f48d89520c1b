"""Questions to the flow history, one function each: which rows, and how many there are in all.

Rows come as dictionaries in the order of `columns`, read while the caller iterates. Times are nanoseconds. A filter
takes one value or several, of which any will do; all filters given must hold. What a person typed reaches SQL only as
parameters. This module loads neither numba nor sqlite-utils.
"""

from typing import Any

from sensor.store.match import NONE
from sensor.store.query import Numbers, Query, Rows, Texts
from sensor.store.store import Store


def flows(
    store: Store,
    *,
    host: Texts = None,
    dest: Texts = None,
    name: Texts = None,
    port: Numbers = None,
    proto: Texts = None,
    state: Texts = None,
    app: Texts = None,
    ja3: Texts = None,
    ja4: Texts = None,
    user_agent: Texts = None,
    via_proxy: bool | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = None,
    order: str = "-first_ts",
) -> Rows:
    """Flows that were alive in a time span, newest first.

    host : address or network of either end
    dest : address or network of the responder, or its name or a domain it is in
    name : the responder's name or the server name of the hello, or a domain it is in
    port : the responder's
    proto, state, ja3, ja4 : as in the columns proto, conn_state, ja3 and ja4
    app : as in the column; NONE for those not recognised
    user_agent : a part of it, in any case
    via_proxy : True: only what a proxy carried, False: only what none did
    since_ns, until_ns : nanoseconds; a flow counts when it ended at `since` or later and began before `until`
    limit : most rows to give; the total is exact all the same
    order : a column, with a minus for descending
    Returns: the rows, and how many match in all.
    Raises: UsageError for values that make no sense, StoreError when the lake cannot be read.
    """
    query = Query(store, "flow", since_ns, until_ns)
    query.span("last_ts", "first_ts")
    query.any_of(host, addresses=("orig_ip", "resp_ip"), names=())
    query.any_of(dest, addresses=("resp_ip",), names=("name",))
    query.named(name, "name", "sni")
    query.equals("resp_port", port)
    query.equals("proto", proto, str.lower)
    query.equals("conn_state", state, str.upper)
    query.equals("app", app, _word)
    query.equals("ja3", ja3, str.lower)
    query.equals_in_any_case("ja4", ja4)
    query.contains("user_agent", user_agent)
    query.is_filled("via_proxy", via_proxy)
    return query.ask(order, ("uid", "first_ts"), limit)


def events(
    store: Store,
    *,
    host: Texts = None,
    dest: Texts = None,
    name: Texts = None,
    port: Numbers = None,
    proto: Texts = None,
    kind: Texts = None,
    method: Texts = None,
    uri: Texts = None,
    app: Texts = None,
    ja3: Texts = None,
    ja4: Texts = None,
    user_agent: Texts = None,
    via_proxy: bool | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = None,
    order: str = "-ts",
) -> Rows:
    """Events, newest first.

    host : address or network of the client
    name : the destination, when it is a name, or a domain it is in
    kind : one of columns.EVENT_KINDS
    method : HTTP method, in any case
    uri : a part of the HTTP request target, in any case
    app, ja3 : of the flow that the event happened in
    Everything else as in `flows`.
    """
    query = Query(store, "event", since_ns, until_ns)
    query.span("ts", "ts")
    query.any_of(host, addresses=("orig_ip",), names=())
    query.any_of(dest, addresses=("resp_ip", "dest"), names=("dest",))
    query.named(name, "dest")
    query.equals("resp_port", port)
    query.equals("proto", proto, str.lower)
    query.equals("kind", kind)
    query.equals_in_any_case("method", method)
    query.contains("uri", uri)
    query.equals_in_any_case("ja4", ja4)
    query.contains("user_agent", user_agent)
    query.is_filled("via_proxy", via_proxy)
    if app or ja3:
        of_flows = Query(store, "flow", since_ns, None)
        of_flows.equals("app", app, _word)
        of_flows.equals("ja3", ja3, str.lower)
        query.among("uid", of_flows)
    return query.ask(order, ("uid", "dest"), limit)


def dns(
    store: Store,
    *,
    host: Texts = None,
    dest: Texts = None,
    name: Texts = None,
    answer: Texts = None,
    qtype: Texts = None,
    rcode: Texts = None,
    app: Texts = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    limit: int | None = None,
    order: str = "-ts",
) -> Rows:
    """DNS questions and answers, newest first.

    host : address or network of the client that asked
    dest : the name asked for or a domain it is in; or an address among the answers, or one of a network
    name : the name asked for or a domain it is in
    answer : an address, one in a network, or a name or a domain it is in, among the answers
    qtype, app : as in the columns
    rcode : as in the column; NONE for questions that were not answered
    Everything else as in `flows`.
    """
    query = Query(store, "dns", since_ns, until_ns)
    query.span("ts", "ts")
    query.any_of(host, addresses=("orig_ip",), names=())
    query.any_of(dest, names=("qname",), address_lists=("answers",))
    query.named(name, "qname")
    query.any_of(answer, address_lists=("answers",), name_lists=("answers",))
    query.equals("qtype", qtype, str.upper)
    query.equals("rcode", rcode, lambda code: _word(code).upper())
    query.equals("app", app, _word)
    return query.ask(order, ("orig_ip", "qname", "qtype"), limit)


def proxies(store: Store, limit: int = 20) -> list[dict[str, Any]]:
    """The proxies that hosts were seen to ask, the busiest first: proxy, flows, clients.

    Whether one is the organisation's own is for a person to say; analyzers/egress/mode.py has what an analysis assumes.
    """
    relation, files = store.lake.relation("flow")
    columns = ("proxy", "flows", "clients")
    with store.lake.connect() as lake:
        rows = lake.execute(
            f"SELECT via_proxy, count(*) AS flows, count(DISTINCT orig_ip) FROM {relation} "
            "WHERE via_proxy <> '' GROUP BY via_proxy ORDER BY flows DESC, via_proxy LIMIT ?",
            [*files, limit],
        ).fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _word(value: str) -> str:
    return "" if value.lower() == NONE else value.lower()
