"""What became of a flow to the outside: established, refused, or unanswered. From Zeek's connection states."""

ESTABLISHED = "established"
REFUSED = "refused"
UNANSWERED = "unanswered"
OUTCOMES = (ESTABLISHED, REFUSED, UNANSWERED)

_ESTABLISHED = frozenset({"SF", "S1", "S2", "S3", "RSTO", "SHR"})
_UNANSWERED = frozenset({"S0", "SH", "RSTOS0"})
_RESET_BY_RESPONDER = frozenset({"RSTR", "RSTRH"})


def outcome_of(conn_state: str, resp_pkts: int, resp_bytes: int) -> str:
    """The outcome of one flow.

    A reset from the far end before it sent any payload is a refusal, also after the handshake: firewalls that look at
    the request let the handshake pass and reset then. States that say nothing (OTH: seen from its middle) go by whether
    anything came back.
    """
    if conn_state == "REJ":
        return REFUSED
    if conn_state in _RESET_BY_RESPONDER:
        return ESTABLISHED if resp_bytes > 0 else REFUSED
    if conn_state in _ESTABLISHED:
        return ESTABLISHED
    if conn_state in _UNANSWERED:
        return UNANSWERED
    return ESTABLISHED if resp_pkts > 0 else UNANSWERED
