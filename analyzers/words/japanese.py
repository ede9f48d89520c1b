"""The sentences of `english` in Japanese, for reports: the same functions, told from what a phrase was made of.

Reasons are noun phrases without a full stop, as Japanese reports list evidence. Terms are those of the national
advisories (JPCERT/CC, IPA, NISC): 不審な通信, 定期的な通信, プロキシを経由しない通信, 遮断, 名前解決.
"""

from collections.abc import Callable, Sequence

from analyzers.words.japanese_terms import FEATURES, OUTCOMES_MEAN, ROLES, WAYS, term
from analyzers.words.japanese_text import duration, interval, listed, percent, size
from analyzers.words.phrase import Catalogue

JAPANESE: Catalogue = {}


def phrase(make: Callable[..., str]) -> Callable[..., str]:
    """List a function in the catalogue."""
    JAPANESE[make.__name__] = make
    return make


# --- timing and sizes of a channel ---


@phrase
def too_few_beats(n_beats: int, least: int) -> str:
    return f"通信は {n_beats:,} 回のみ（周期性の判定には {least} 回以上が必要）"


@phrase
def no_regularity(n_beats: int) -> str:
    return f"{n_beats:,} 回の通信の間隔に、偶然の範囲を超える規則性なし"


@phrase
def keeps_a_beat(n_beats: int, beat_s: float, jitter_frac: float, span_s: float, kept: int, n_missed: int) -> str:
    told = f"{duration(span_s)}の間に {n_beats:,} 回の定期的な通信（間隔 {interval(beat_s)}、ゆらぎ {percent(jitter_frac)}）"
    more = []
    if kept < n_beats - 1:
        more.append(f"{n_beats - 1:,} 個の間隔のうち {kept:,} 個が周期に一致")
    if n_missed > 0:
        more.append(f"周期どおりであれば観測されるはずの {n_missed:,} 回分は未観測")
    return told + (f"、{'、'.join(more)}" if more else "")


@phrase
def set_anew(n_beats: int, first_s: float, after_s: float, last_s: float, span_s: float) -> str:
    first = f"最初の{duration(after_s)}は間隔 {interval(first_s)}、その後は間隔 {interval(last_s)}"
    return f"{duration(span_s)}の間に {n_beats:,} 回の定期的な通信（{first}：途中で間隔が変更された）"


@phrase
def beyond_chance(share: float, ratio: float, chance_share: float) -> str:
    return f"間隔の {percent(share)} が、最短と最長の比で {ratio:.2f} 倍以内に集中（偶然の場合は最大 {percent(chance_share)}）"


@phrase
def same_request_size(size_bytes: int, n_same: int, n_sized: int) -> str:
    return f"送信サイズは {n_sized:,} 回中 {n_same:,} 回が {size(size_bytes)}"


@phrase
def score_is_capped(n_beats: int, most: float, full_beats: int) -> str:
    return f"観測が {n_beats:,} 回と少ないため、スコアの上限は {most:.2f}（{full_beats} 回以上の観測で上限なし）"


@phrase
def wide_jitter() -> str:
    return "間隔のゆらぎが大きく、タイマーではなく処理の進み具合に応じて通信するプログラムの可能性あり"


@phrase
def bursts(n_events: int, n_beats: int, pause_s: float) -> str:
    return (
        f"{n_events:,} 件の通信を {n_beats:,} 回として集計（間隔が {duration(pause_s)}未満の連続した通信は 1 回と計数）"
    )


@phrase
def stretches(n_stretches: int) -> str:
    return f"長い休止（端末の停止または業務時間外）を挟む {n_stretches:,} つの期間に分かれた通信"


@phrase
def none_answered(n_events: int) -> str:
    return f"{n_events:,} 回の試行すべてに応答なし（遮断されているか通信先が停止しているが、試行は継続）"


@phrase
def few_answered(n_answered: int, n_events: int) -> str:
    return f"応答があったのは {n_events:,} 回中 {n_answered:,} 回のみ"


@phrase
def taken_together(n: int, kind: str, first: Sequence[str]) -> str:
    return f"{term(kind)} {n:,} 件をまとめて評価：{listed(first, n - len(first))}"


@phrase
def seen_in_host_time(fill: float) -> str:
    return f"最初の通信から最後の通信までの間に、端末が活動していた時間の {percent(fill)} で観測"


@phrase
def seen_without_people(fill: float, n_quiet: int) -> str:
    return f"{seen_in_host_time(fill)}、利用者の操作がない時間帯の通信は {n_quiet:,} 回"


@phrase
def raised_by(parts: Sequence[tuple[str, float]]) -> str:
    return "スコアを上げた要因：" + "、".join(f"{FEATURES[name]}（+{part:.1f}）" for name, part in parts)


@phrase
def lowered_by(parts: Sequence[tuple[str, float]]) -> str:
    return "スコアを下げた要因：" + "、".join(f"{FEATURES[name]}（{part:.1f}）" for name, part in parts)


@phrase
def exchanges_inside() -> str:
    return "長時間維持された接続の中で繰り返される送受信"


@phrase
def replies_inside() -> str:
    return "長時間維持された接続の中で繰り返される、サーバーからの送信に対する端末の応答（毎回サーバーが先に送信）"


@phrase
def goes_around_as_well(gain: float) -> str:
    return f"プロキシを経由しない通信でもあるため、スコアを最大 {gain:.2f} 加点"


# --- what is known around a host and a destination ---


@phrase
def looks_like(label: str, lowered: str) -> str:
    return f"「{term(label)}」とみられる通信のため、{term(lowered)}を引き下げ"


@phrase
def keeps_other_time(label: str) -> str:
    return f"通信先の名前は「{term(label)}」に該当するが、通信の間隔が本来のものと異なるため、スコアは据え置き"


@phrase
def nobody_else(n_hosts: int) -> str:
    return f"観測した {n_hosts:,} 台のうち、この通信先に接続したのはこの端末のみ"


@phrase
def others_too(n_contacting: int, n_hosts: int, cost: float) -> str:
    lowered = f"（スコアを {cost:.2f} 減点）" if cost > 0 else ""
    return f"観測した {n_hosts:,} 台のうち {n_contacting:,} 台がこの通信先に接続{lowered}"


@phrase
def many_hosts(n_contacting: int, n_hosts: int) -> str:
    return f"観測した {n_hosts:,} 台のうち {n_contacting:,} 台がこの通信先に接続しているため、深刻度を引き下げ"


@phrase
def later_than_others(after_s: float, n_others: int) -> str:
    return f"他の {n_others:,} 台による最初の接続から {duration(after_s)}後に、この端末が初めて接続"


@phrase
def first_contact(before_s: float) -> str:
    return f"新規の通信先：過去 {duration(before_s)}の記録では、どの端末からも接続なし"


@phrase
def one_clock_for_many(n_dests: int, interval_s: float) -> str:
    return f"{n_dests:,} 件の通信先に、接続を保ったまま {interval(interval_s)}間隔で通信（すべて同じ周期）"


@phrase
def many_kept_open(server_first: bool) -> str:
    return f"多数の通信先（{'サーバー側から' if server_first else ''}維持されている接続）"


@phrase
def asked_of_proxy(via_proxy: str) -> str:
    return f"プロキシ {via_proxy} を経由した通信"


@phrase
def not_internal(orig_ip: str) -> str:
    return f"{orig_ip} は内部ネットワークとして未登録（自組織の端末である場合は登録が必要）"


# --- counts and durations of connections ---


@phrase
def strobe(connections: int, n_slots: int, slot_s: float, busiest: int, least: int) -> str:
    return (
        f"{duration(slot_s)}の区間 {n_slots:,} 個で計 {connections:,} 回の接続、"
        f"最多の区間は {busiest:,} 回（毎秒 {busiest / slot_s:.1f} 回、判定基準は毎秒 {least / slot_s:.0f} 回）"
    )


@phrase
def share_unanswered(share: float) -> str:
    return f"接続の {percent(share)} は応答なし"


@phrase
def many_ports(ports: int) -> str:
    return f"1 区間内に {ports:,} 個の異なるポートへ接続"


@phrase
def volume(orig_bytes: int, resp_bytes: int) -> str:
    return f"通信量：送信 {size(orig_bytes)}、受信 {size(resp_bytes)}"


@phrase
def long_connections(connections: int, open_s: float, longest_s: float) -> str:
    told = f"合計 {duration(open_s)}、最長 {duration(longest_s)}" if connections > 1 else f"{duration(open_s)}"
    return f"1 時間以上維持された接続 {connections:,} 件（{told}）"


@phrase
def volume_meanwhile(orig_bytes: int, resp_bytes: int) -> str:
    return f"接続中の通信量：送信 {size(orig_bytes)}、受信 {size(resp_bytes)}"


@phrase
def put_together(pieces: int) -> str:
    return f"アドレスとポートが同じ {pieces:,} 件のフローを連結して集計（フローの間に数分間の無通信あり）"


@phrase
def still_open() -> str:
    return "キャプチャの終了時点で接続中（実際の接続時間はさらに長い可能性あり）"


# --- indicators under watch ---


@phrase
def contacted(value: str, known: str, origin: str) -> str:
    return f"監視対象 {value} との通信{_known(known, origin)}"


@phrase
def asked_dns_for(value: str, known: str, origin: str) -> str:
    return f"監視対象 {value} の名前解決（DNS）{_known(known, origin)}"


def _known(known: str, origin: str) -> str:
    return (f"：{known}" if known else "") + (f"（情報源：{origin}）" if origin else "")


@phrase
def contacts_with_it(events: int, orig_bytes: int, resp_bytes: int) -> str:
    return f"監視対象との通信 {events:,} 回（送信 {size(orig_bytes)}、受信 {size(resp_bytes)}）"


# --- the way out ---


@phrase
def blocked_beat(beat_s: float, spread: float) -> str:
    return (
        f"{interval(beat_s)}間隔（ゆらぎ {percent(spread)}）の接続試行がすべて遮断"
        "（ファイアウォールの内側に感染端末が存在することを示す最も強い兆候）"
    )


@phrase
def connections_out(flows: int, way: str, span_s: float, outcomes: Sequence[tuple[str, int]]) -> str:
    told = "、".join(f"{term(outcome)} {n:,} 回" for outcome, n in outcomes)
    return f"{duration(span_s)}の間に{WAYS[way]}接続 {flows:,} 回（{told}）"


@phrase
def came_of_it(outcome: str) -> str:
    return OUTCOMES_MEAN[outcome]


@phrase
def category_and_ports(category: str, services: Sequence[str], n_more: int) -> str:
    return f"通信の種類：{term(category)}（{listed(services, n_more)}）"


@phrase
def busiest_destinations(n_dests: int, busiest: Sequence[str]) -> str:
    return f"通信先 {n_dests:,} 件（主な通信先：{listed(busiest)}）"


@phrase
def no_name(is_never_told: bool) -> str:
    return "通信先は IP アドレスのみで、名前は不明" + ("（DNS による名前解決の記録なし）" if is_never_told else "")


@phrase
def blocked_and_repeated(blocked: int) -> str:
    return f"遮断された試行 {blocked:,} 回（遮断後も試行を継続）"


@phrase
def sent_and_received(orig_bytes: int, resp_bytes: int) -> str:
    return f"通信量：送信 {size(orig_bytes)}、受信 {size(resp_bytes)}"


@phrase
def large_upload() -> str:
    return "大量のデータ送信"


@phrase
def out_of_hours(away: int, flows: int, weighs_more: bool) -> str:
    share = "すべて業務時間外の通信" if away == flows else f"{flows:,} 回中 {away:,} 回が業務時間外の通信"
    return share + ("（スコアに加点）" if weighs_more else "")


@phrase
def explained_by(n_dests: int, label: str) -> str:
    return f"通信先 {n_dests:,} 件は「{term(label)}」とみられるため、スコアを引き下げ"


@phrase
def uses_proxy() -> str:
    return "この端末は、他の通信ではプロキシを利用"


@phrase
def never_uses_proxy() -> str:
    return "この端末によるプロキシの利用は観測なし（サーバー、またはプロキシが未設定の機器の可能性あり）"


@phrase
def beside_it(explained: Sequence[tuple[str, int]]) -> str:
    return "このほか、影響の小さい直接通信：" + "、".join(f"「{term(label)}」{n:,} 件" for label, n in explained)


@phrase
def as_hosts_do(dest: str, clients: int) -> str:
    return f"{dest}（{clients:,} 台に共通）"


@phrase
def many_destinations(category: str, outcome: str, is_beat: bool, is_explained: bool) -> str:
    kinds = [term(category), term(outcome), *(["定期的"] if is_beat else [])]
    return f"多数の通信先（{'、'.join(kinds)}{'、正規の通信の可能性あり' if is_explained else ''}）"


# --- servers ---


@phrase
def declared_server(role: str) -> str:
    return f"{ROLES[role]}（サイト設定ファイルで指定）"


@phrase
def guessed_server(role: str, why: str) -> str:
    return f"{ROLES[role]}と推定（{why}。サイト設定ファイルで確定または訂正が可能）"


@phrase
def answers(services: Sequence[tuple[str, int]]) -> str:
    return "、".join(f"{term(name)} で {n:,} 台" for name, n in services) + "に応答"


@phrase
def role_allows(allowed: Sequence[str]) -> str:
    return f"この役割に許可されている外部通信：{listed([term(word) for word in allowed]) or 'なし'}"


@phrase
def first_time(waited_s: float) -> str:
    return f"初めて観測した通信：それ以前の {duration(waited_s)}の観測では同種の通信なし"


# --- what a live capture lost ---


@phrase
def not_all_was_seen(dropped_frac: float, gap_frac: float, rows_lost: int) -> str:
    told = []
    if dropped_frac:
        told.append(f"全パケットの {percent(dropped_frac)} をセンサーで取りこぼし")
    if gap_frac:
        told.append(f"TCP の確認応答の {percent(gap_frac)} に対応するデータが未観測")
    if rows_lost:
        told.append(f"{rows_lost:,} 件の記録を保存できず")
    return f"この期間の観測に欠落あり（{'、'.join(told)}）、実際の通信は集計値より多い可能性あり"
