"""The words of a report, in English and Japanese, and sentences that say a finding from its numbers alone.

Japanese uses the terms of the national advisories (JPCERT/CC, IPA): C2 for command and control, severities as IPA rates
vulnerabilities. Reasons come from the analyzers in English; in Japanese they stand below a sentence of our own.
"""

from collections.abc import Mapping
from typing import Any

from sensor.cli.human import human_bytes, human_duration

LANGUAGES = ("en", "ja")

_EN = {
    "title": "What kagami found",
    "window": "Window",
    "made": "Made",
    "by": "with kagami",
    "summary": "Summary",
    "nothing": "No open finding in this window. That is no proof that there is nothing: see what was not seen, below.",
    "findings": "Findings",
    "hosts": "Hosts concerned",
    "blocked": "Attempts that were stopped or stayed unanswered",
    "blocked_none": "None.",
    "blocked_note": "Something on these hosts tries to get out and does not succeed. It is there all the same.",
    "health": "Health of the sensor",
    "not_seen": "What was not seen",
    "severity": "severity", "score": "score", "analyzer": "kind", "host": "host", "dest": "destination",
    "service": "service", "events": "events", "first": "first seen", "last": "last seen", "state": "state",
    "outcome": "outcome", "interval": "interval", "count": "findings", "dests": "destinations",
    "why": "Why", "when": "When", "intervals": "Intervals between contacts", "learned": "What connections told",
    "peers": "Who else goes there", "before": "The minute before the first contact", "todo": "What to do",
    "techniques": "ATT&CK", "decided": "What was decided", "evidence": "Keep the evidence",
    "more": "{n} more findings are not shown in detail; kagami findings lists them.",
    "settled": "{n} settled findings and {m} covered by allow entries are not in this report.",
    "nobody": "No other of the {n} hosts seen.",
    "picture": "Events over time, {n} in all, at most {m} in one part",
    "histogram": "How often which interval occurs",
    "sources": "captures", "packets": "packets", "state_of": "state", "lost": "lost or odd",
    "none_lost": "nothing counted", "damaged": "damaged", "name": "name", "how": "learned from", "value": "value",
    "flows": "flows", "time": "time", "did": "what it did",
    "utc": "All times are UTC. Destinations are written harmless ([.]), so that nobody opens them by a slip.",
    "blind": [
        "Encrypted content is not read: names, sizes, times and fingerprints are.",
        "Only what passes the mirror port is seen: traffic between hosts of one switch may not be.",
        "DNS over HTTPS, Encrypted ClientHello and content networks hide names.",
        "A finding says that a machine behaves so, not that somebody is guilty. Benign software can behave so too.",
    ],
    "absent": "Nothing is kept of {n} days: {days}",
    "steps": {
        "beacon": "Find the program that keeps this timer. If nobody can name it, isolate the host.",
        "bypass": "Find the program that goes around the proxy, and block its way out at the firewall.",
        "server-egress": "Ask who runs the server what this is for. If nobody can say, treat it as taken over.",
        "strobe": "Find the program that floods this destination: an attack, a scan, or a loop gone wrong.",
        "long-connection": "Find the program that holds this connection. If nobody can, isolate the host.",
        "watchlist": "Read what the indicator stands for, and look on the host for what the advisory describes.",
        "": "Find the program that does this. If nobody can name it, isolate the host.",
    },
    "keep": "Before cleaning, preserve memory, disk and captures: kagami evidence {id} -o DIR",
    "block": "See what to block: kagami blocklist. See which hosts to isolate: kagami quarantine",
    "severities": {},
    "states": {},
    "outcomes": {},
    "kinds": {},
}  # fmt: skip

_JA = {
    "title": "kagami 検知レポート",
    "window": "対象期間",
    "made": "作成日時",
    "by": "作成ツール kagami",
    "summary": "概要",
    "nothing": "対象期間に未対応の検知はありません。ただし、不審な通信がなかったことの証明ではありません。"
               "末尾の「観測できていない範囲」もご確認ください。",
    "findings": "検知一覧",
    "hosts": "対象端末",
    "blocked": "遮断された、または応答のなかった外部接続の試行",
    "blocked_none": "該当はありません。",
    "blocked_note": "次の端末では、何らかのプログラムが外部への接続を試みて失敗しています。通信が成立していなくても、"
                    "原因となるプログラムは端末に残っています。",
    "health": "センサーの稼働状況",
    "not_seen": "観測できていない範囲",
    "severity": "深刻度", "score": "スコア", "analyzer": "種別", "host": "端末", "dest": "通信先",
    "service": "ポート", "events": "通信回数", "first": "初回観測", "last": "最終観測", "state": "対応状況",
    "outcome": "結果", "interval": "間隔", "count": "検知数", "dests": "通信先数",
    "why": "判定の根拠（英語原文）", "when": "時系列", "intervals": "通信間隔の分布", "learned": "通信から得られた情報",
    "peers": "同じ通信先へ接続している他の端末", "before": "初回接続の直前1分間", "todo": "推奨する対応",
    "techniques": "ATT&CK", "decided": "対応の記録", "evidence": "証拠の保全",
    "more": "このほか {n} 件の検知は詳細を省略しています。kagami findings で一覧を表示できます。",
    "settled": "対応を終えた検知 {n} 件と、許可設定により非表示の検知 {m} 件は、このレポートに含まれていません。",
    "nobody": "観測した {n} 台のうち、ほかに接続している端末はありません。",
    "picture": "時間ごとの通信回数。合計 {n} 回、1 区間あたり最大 {m} 回",
    "histogram": "通信間隔ごとの回数",
    "sources": "キャプチャ", "packets": "パケット数", "state_of": "状態", "lost": "欠落・異常",
    "none_lost": "なし", "damaged": "破損", "name": "名称", "how": "取得元", "value": "値",
    "flows": "フロー数", "time": "時刻", "did": "内容",
    "utc": "時刻はすべて協定世界時（UTC）です。通信先は、誤って開くことのないよう [.] を用いて無害化して表記しています。",
    "blind": [
        "暗号化された通信の内容は確認していません。名前、サイズ、時刻、フィンガープリントから判定しています。",
        "ミラーポートを通過した通信だけを観測しています。同じスイッチ内の端末間の通信などは観測できないことがあります。",
        "DNS over HTTPS、Encrypted ClientHello（ECH）、CDN を利用した通信では、実際の接続先の名前が分からないことがあります。",
        "検知は、端末がそのように振る舞ったことを示すもので、不正を断定するものではありません。正規のソフトウェアが同様の"
        "通信をすることもあります。",
    ],
    "absent": "次の {n} 日分は、記録が残っていません：{days}",
    "steps": {
        "beacon": "定期的な通信を行っているプログラムを特定してください。特定できない場合は、端末をネットワークから隔離してください。",
        "bypass": "プロキシを経由せずに通信しているプログラムを特定し、ファイアウォールで外部への直接通信を遮断してください。",
        "server-egress": "サーバの管理者に通信の目的を確認してください。説明がつかない場合は、侵害されたものとして対応してください。",
        "strobe": "大量の接続を行っているプログラムを特定してください。攻撃、スキャン、プログラムの不具合が考えられます。",
        "long-connection": "接続を維持しているプログラムを特定してください。特定できない場合は、端末をネットワークから隔離してください。",
        "watchlist": "該当する注意喚起の内容を確認し、記載されている痕跡が端末にないか調査してください。",
        "": "該当するプログラムを特定してください。特定できない場合は、端末をネットワークから隔離してください。",
    },
    "keep": "復旧作業の前に、メモリ、ディスク、キャプチャを保全してください：kagami evidence {id} -o DIR",
    "block": "遮断すべき通信先は kagami blocklist、隔離すべき端末は kagami quarantine で確認できます。",
    "severities": {"critical": "緊急", "high": "重要", "medium": "警告", "low": "注意"},
    "states": {"new": "未対応", "investigating": "調査中", "confirmed": "脅威と確認", "false-positive": "誤検知",
               "resolved": "対応済み"},
    "outcomes": {"established": "接続成立", "half": "片方向のみ観測", "refused": "拒否", "unanswered": "応答なし"},
    "kinds": {"beacon": "ビーコン通信", "bypass": "プロキシ迂回", "watchlist": "監視対象との通信",
              "egress": "外部への直接通信", "server-egress": "サーバからの外部通信", "strobe": "大量接続",
              "long-connection": "長時間接続"},
}  # fmt: skip

_CATALOGUE: dict[str, dict[str, Any]] = {"en": _EN, "ja": _JA}


class Words:
    """The words of one language: `words["title"]`; with numbers, `words.say("more", n=3)`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = _CATALOGUE[language]

    def __getitem__(self, key: str) -> Any:
        return self._words[key]

    def say(self, key: str, **values: object) -> str:
        """A sentence with its values filled in."""
        return str(self._words[key]).format(**values)

    def of(self, group: str, word: str) -> str:
        """A word of the contract (a severity, a state, ...) as this language has it; one that is not known stays."""
        return str(self._words[group].get(word, word))

    def step(self, analyzer: str) -> str:
        """The first thing to do about a finding of an analyzer."""
        steps = self._words["steps"]
        return str(steps.get(analyzer, steps[""]))

    def sentence(self, finding: Mapping[str, Any], host: str, dest: str) -> str:
        """A finding in one sentence, from its numbers alone."""
        service = f"{finding['resp_port']}/{finding['proto']}"
        n, interval_s = finding["events"], finding["interval_s"] or 0
        if self.language == "ja":
            how_often = f"約 {_duration_ja(interval_s)}間隔で " if interval_s else ""
            via = f"プロキシ {finding['via_proxy']} を経由して、" if finding["via_proxy"] else ""
            return f"端末 {host} が、{via}{dest}（{service}）へ{how_often}{n:,} 回通信しました。"
        how_often = f", one every {human_duration(interval_s)}" if interval_s else ""
        via = f" through the proxy {finding['via_proxy']}" if finding["via_proxy"] else ""
        return f"{host} went to {dest} ({service}){via} {n:,} times{how_often}."


def _duration_ja(seconds: float) -> str:
    text = human_duration(seconds)
    for unit, word in (("min", "分"), (" ms", " ミリ秒"), (" s", " 秒"), (" h", " 時間"), (" d", " 日")):
        text = text.replace(unit, word)
    return text


def harmless(value: str) -> str:
    """An address or name written so that nothing makes a link of it: evil[.]example."""
    return value.replace(".", "[.]").replace("://", "[://]").replace("http", "hxxp")


def amount(n_bytes: int) -> str:
    """Bytes, as in the tables of a terminal."""
    return human_bytes(n_bytes)
