"""Every sentence that an analyzer says of a host, in English: one function each, its numbers in, a phrase out.

These texts are a contract: scripts read them. Names inside come from the network as they are: whoever prints them
escapes them. `japanese` has the same functions.
"""

from collections.abc import Sequence

from analyzers.text import count, duration, interval, percent, size
from analyzers.words.english_terms import FEATURES, OUTCOMES_MEAN, WAYS
from analyzers.words.phrase import Catalogue, phrases_of

ENGLISH: Catalogue = {}
phrase = phrases_of(ENGLISH)


# --- timing and sizes of a channel ---


@phrase
def too_few_beats(n_beats: int, least: int) -> str:
    return f"{count(n_beats, 'beat')}: too few to judge regularity, which takes {least}"


@phrase
def no_regularity(n_beats: int) -> str:
    return f"{count(n_beats, 'beat')}, whose gaps are no more alike than chance makes them"


@phrase
def keeps_a_beat(n_beats: int, beat_s: float, jitter_frac: float, span_s: float, kept: int, n_missed: int) -> str:
    gaps = n_beats - 1
    regular = f"{count(n_beats, 'beat')}, one every {interval(beat_s)} (jitter {percent(jitter_frac)})"
    told = [f"{regular} for {duration(span_s)}"]
    if kept < gaps:
        told.append(f"{kept:,} of {gaps:,} gaps keep it")
    if n_missed > 0:
        told.append(f"{count(n_missed, 'beat')} missed")
    return "; ".join(told)


@phrase
def set_anew(n_beats: int, first_s: float, after_s: float, last_s: float, span_s: float) -> str:
    then = f"then one every {interval(last_s)}: the pace was set anew"
    first = f"{count(n_beats, 'beat')}, one every {interval(first_s)}"
    return f"{first} for {duration(after_s)} of {duration(span_s)}, {then}"


@phrase
def beyond_chance(share: float, ratio: float, chance_share: float) -> str:
    return (
        f"{percent(share)} of the gaps lie within a factor {ratio:.2f} of each other, "
        f"where chance would put at most {percent(chance_share)}"
    )


@phrase
def same_request_size(size_bytes: int, n_same: int, n_sized: int) -> str:
    return f"request sizes {size(size_bytes)} in {n_same:,} of {n_sized:,}"


@phrase
def score_is_capped(n_beats: int, most: float, full_beats: int) -> str:
    return f"only {n_beats} beats: the score cannot pass {most:.2f} before there are {full_beats}"


@phrase
def wide_jitter() -> str:
    return "the jitter is wide: a program paced by its work, not by a timer, can look like this"


@phrase
def bursts(n_events: int, n_beats: int, pause_s: float) -> str:
    return f"{count(n_events, 'event')} make the {n_beats:,} beats: those less than {duration(pause_s)} apart are one"


@phrase
def stretches(n_stretches: int) -> str:
    return f"{count(n_stretches, 'stretch', 'stretches')} with long pauses between (host off or out of hours)"


@phrase
def none_answered(n_events: int) -> str:
    return f"none of {count(n_events, 'attempt')} was answered: the destination is blocked or gone, and still tried"


@phrase
def few_answered(n_answered: int, n_events: int) -> str:
    return f"only {n_answered:,} of {n_events:,} were answered"


@phrase
def taken_together(n: int, kind: str, first: Sequence[str]) -> str:
    more = f" and {n - len(first):,} more" if n > len(first) else ""
    return f"{n:,} {kind} taken together: {', '.join(first)}{more}"


@phrase
def seen_in_host_time(fill: float) -> str:
    return f"seen in {percent(fill)} of the time that the host was busy from its first beat to its last"


@phrase
def seen_without_people(fill: float, n_quiet: int) -> str:
    seen = f"seen in {percent(fill)} of the time that the host was busy from its first beat to its last"
    return f"{seen}; {count(n_quiet, 'beat')} while no people were at work there"


@phrase
def raised_by(parts: Sequence[tuple[str, float]]) -> str:
    return "raised by " + ", ".join(f"{FEATURES[name]} (+{part:.1f})" for name, part in parts)


@phrase
def lowered_by(parts: Sequence[tuple[str, float]]) -> str:
    return "lowered by " + ", ".join(f"{FEATURES[name]} ({part:.1f})" for name, part in parts)


@phrase
def exchanges_inside() -> str:
    return "the beats are exchanges inside long connections"


@phrase
def replies_inside() -> str:
    return "the beats are replies inside long connections: the server speaks first each time"


@phrase
def goes_around_as_well(gain: float) -> str:
    return f"goes around the proxy as well, which raises the score by {gain:.2f} at most"


# --- what is known around a host and a destination ---


@phrase
def looks_like(label: str, lowered: str) -> str:
    return f"this looks like {label}; the {lowered} is lowered"


@phrase
def keeps_other_time(label: str) -> str:
    return f"the name is that of {label}, but this host does not keep its time: the score stands"


@phrase
def nobody_else(n_hosts: int) -> str:
    return f"no other of the {n_hosts:,} hosts seen contacts this destination"


@phrase
def others_too(n_contacting: int, n_hosts: int, cost: float) -> str:
    lowered = f", which lowers the score by {cost:.2f}" if cost > 0 else ""
    return f"{n_contacting:,} of the {n_hosts:,} hosts seen contact this destination{lowered}"


@phrase
def many_hosts(n_contacting: int, n_hosts: int) -> str:
    hosts = count(n_hosts, "host")
    return f"{n_contacting:,} of the {hosts} seen contact this destination; the severity is lowered"


@phrase
def later_than_others(after_s: float, n_others: int) -> str:
    return f"this host was first seen there {duration(after_s)} after the first of {count(n_others, 'other host')}"


@phrase
def first_contact(before_s: float) -> str:
    return f"first contact: in the {duration(before_s)} kept before, no host was seen at this destination"


@phrase
def one_clock_for_many(n_dests: int, interval_s: float) -> str:
    return f"{n_dests:,} destinations every {interval(interval_s)}, inside their connections: one clock for all of them"


@phrase
def many_kept_open(server_first: bool) -> str:
    return f"many destinations (connections kept open{' by servers' if server_first else ''})"


@phrase
def asked_of_proxy(via_proxy: str) -> str:
    return f"asked of the proxy {via_proxy}"


@phrase
def not_internal(orig_ip: str) -> str:
    return f"{orig_ip} is not in the internal networks: name them if it is one of yours"


# --- counts and durations of connections ---


@phrase
def strobe(connections: int, n_slots: int, slot_s: float, busiest: int, least: int) -> str:
    return (
        f"{count(connections, 'connection')} in {count(n_slots, 'stretch', 'stretches')} of {duration(slot_s)}, "
        f"{busiest:,} in the busiest: {busiest / slot_s:.1f} a second, where {least / slot_s:.0f} a second is a strobe"
    )


@phrase
def share_unanswered(share: float) -> str:
    return f"{percent(share)} of them were not answered"


@phrase
def many_ports(ports: int) -> str:
    return f"{ports:,} different ports in one stretch"


@phrase
def volume(orig_bytes: int, resp_bytes: int) -> str:
    return f"{size(orig_bytes)} sent, {size(resp_bytes)} received"


@phrase
def long_connections(connections: int, open_s: float, longest_s: float) -> str:
    told = f"{count(connections, 'connection')} of an hour or more, open for {duration(open_s)}"
    return told + (f" together, the longest for {duration(longest_s)}" if connections > 1 else "")


@phrase
def volume_meanwhile(orig_bytes: int, resp_bytes: int) -> str:
    return f"{size(orig_bytes)} sent, {size(resp_bytes)} received in that time"


@phrase
def put_together(pieces: int) -> str:
    return f"put together from {pieces:,} flows with the same addresses and ports, silent for minutes between"


@phrase
def still_open() -> str:
    return "still open when the capture ended: it may be much longer"


# --- indicators under watch ---


@phrase
def contacted(value: str, known: str, origin: str) -> str:
    return f"contacted {_under_watch(value, known, origin)}"


@phrase
def asked_dns_for(value: str, known: str, origin: str) -> str:
    return f"asked DNS for {_under_watch(value, known, origin)}"


def _under_watch(value: str, known: str, origin: str) -> str:
    return f"{value}, which is under watch" + (f": {known}" if known else "") + (f" (from {origin})" if origin else "")


@phrase
def contacts_with_it(events: int, orig_bytes: int, resp_bytes: int) -> str:
    return f"{count(events, 'contact')} with it; sent {size(orig_bytes)}, received {size(resp_bytes)}"


# --- the way out ---


@phrase
def blocked_beat(beat_s: float, spread: float) -> str:
    return (
        f"attempts every {interval(beat_s)} (give or take {percent(spread)}), every one of them blocked: "
        "the strongest sign of an infected machine behind a tight firewall"
    )


@phrase
def connections_out(flows: int, way: str, span_s: float, outcomes: Sequence[tuple[str, int]]) -> str:
    told = ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes)
    return f"{count(flows, 'connection')} {WAYS[way]} within {duration(span_s)}: {told}"


@phrase
def came_of_it(outcome: str) -> str:
    return OUTCOMES_MEAN[outcome]


@phrase
def category_and_ports(category: str, services: Sequence[str], n_more: int) -> str:
    return f"{category}: {', '.join(services)}" + (f" and {n_more:,} more" if n_more else "")


@phrase
def busiest_destinations(n_dests: int, busiest: Sequence[str]) -> str:
    return f"{n_dests:,} destinations, the busiest: {', '.join(busiest)}"


@phrase
def no_name(is_never_told: bool) -> str:
    return "no name, only an address" + (", which DNS never told" if is_never_told else "")


@phrase
def blocked_and_repeated(blocked: int) -> str:
    return f"{count(blocked, 'attempt')} blocked, and still repeated"


@phrase
def sent_and_received(orig_bytes: int, resp_bytes: int) -> str:
    return f"sent {size(orig_bytes)}, received {size(resp_bytes)}"


@phrase
def large_upload() -> str:
    return "a large upload"


@phrase
def out_of_hours(away: int, flows: int, weighs_more: bool) -> str:
    share = "all of it" if away == flows else f"{away:,} of {flows:,}"
    return f"{share} while nobody is at work" + (", which weighs more" if weighs_more else "")


@phrase
def explained_by(n_dests: int, label: str) -> str:
    return f"{count(n_dests, 'destination')} explained by: {label}; the weight is lowered"


@phrase
def uses_proxy() -> str:
    return "this host uses the proxy for other traffic"


@phrase
def never_uses_proxy() -> str:
    return "this host was never seen using the proxy: perhaps a server or a device that nobody told about it"


@phrase
def beside_it(explained: Sequence[tuple[str, int]]) -> str:
    told = ", ".join(f"{n:,} {label}" for label, n in explained)
    return f"beside it, direct channels that weigh little: {told}"


@phrase
def as_hosts_do(dest: str, clients: int) -> str:
    return f"{dest} as {count(clients, 'host')} do"


@phrase
def many_destinations(category: str, outcome: str, is_beat: bool, is_explained: bool) -> str:
    kind = f"{category}, {outcome}" + (" at a beat" if is_beat else "")
    return f"many destinations ({kind}{', with an explanation' if is_explained else ''})"


# --- servers ---


@phrase
def declared_server(role: str) -> str:
    return f"a {role} server (by the site file)"


@phrase
def guessed_server(role: str, why: str) -> str:
    return f"a {role} server (guessed: it {why}; name it in the site file to keep or correct that)"


@phrase
def answers(services: Sequence[tuple[str, int]]) -> str:
    return "answers " + ", ".join(f"{name} to {count(n, 'host')}" for name, n in services)


@phrase
def role_allows(allowed: Sequence[str]) -> str:
    return f"its role allows {', '.join(allowed) or 'nothing'} outside"


@phrase
def first_time(waited_s: float) -> str:
    return f"for the first time: nothing of this kind in the {duration(waited_s)} it was seen before"


# --- what a live capture lost ---


@phrase
def not_all_was_seen(dropped_frac: float, gap_frac: float, rows_lost: int) -> str:
    told = []
    if dropped_frac:
        told.append(f"{dropped_frac:.2g} of all packets were dropped on the sensor")
    if gap_frac:
        told.append(f"{gap_frac:.2g} of TCP acknowledgements were for bytes it never saw")
    if rows_lost:
        told.append(f"{rows_lost:,} rows could not be stored")
    return f"the sensor did not see everything in this time ({'; '.join(told)}): there may be more than is counted here"
