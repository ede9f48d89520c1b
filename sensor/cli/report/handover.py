"""The README of a folder of evidence, in English and Japanese, for an expert who has never seen kagami."""

from collections.abc import Sequence

LANGUAGES = ("en", "ja")

MEANINGS = {
    "en": {
        "README.txt": "What this folder is, and how to check it.",
        "finding.json": "Everything kagami knows of the finding.",
        "finding.txt": "The same as a page of text.",
        "packets.pcapng": "The packets of its connections, copied out of the original captures, unchanged.",
        "flows.csv": "Its connections.",
        "events.csv": "Its exchanges, which the finding was judged on.",
        "dns.csv": "DNS questions of the host for the destination.",
        "timeline.csv": "What the host did from a minute before the finding to a minute after it, in order.",
    },
    "ja": {
        "README.txt": "このフォルダーの説明と検証方法",
        "finding.json": "検知に関する全情報（機械可読）",
        "finding.txt": "同じ内容のテキスト",
        "packets.pcapng": "該当する通信のパケット（元のキャプチャから改変せずに抽出したもの）",
        "flows.csv": "該当する通信（フロー）の一覧",
        "events.csv": "検知の判定に用いた個々のやり取り",
        "dns.csv": "端末が通信先の名前を問い合わせた DNS の記録",
        "timeline.csv": "検知の1分前から1分後までに端末が行った通信（時系列）",
    },
}
"""The files of the folder, beside manifest.json and SHA256SUMS."""

_TEXTS = {
    "en": """Evidence for finding {id} of kagami

{title}

{files}
manifest.json   SHA-256 of every file and of the captures the packets came from; who made this, when, with what
SHA256SUMS      the same hashes; check with: sha256sum -c SHA256SUMS

Times are UTC, in nanoseconds since 1970 or RFC 3339; they are the clock of the machine that captured. A CSV cell that
begins with =, +, -, @ has a ' before it, and controls are shown as \\x1b, so that no program acts on them:
packets.pcapng has the bytes as they were. A finding says what was seen on the wire and how it was judged, not that
somebody is guilty.

{missing}Original captures are not in this folder. Keep them unchanged, with their hashes from manifest.json.

Handed over by:
Received by:
Date, place:
""",
    "ja": """kagami 検知 {id} の証拠一式

{title}

{files}
manifest.json   各ファイルと元のキャプチャの SHA-256、作成者、作成日時、使用したツールの版
SHA256SUMS      同じハッシュ値の一覧。検証方法：sha256sum -c SHA256SUMS

時刻は協定世界時（UTC）で、1970年からのナノ秒または RFC 3339 形式です。キャプチャを取得した機器の時計に基づきます。CSV では、表計算
ソフトが数式として扱うのを防ぐため、=、+、-、@ で始まるセルの先頭に ' を付け、制御文字は \\x1b のように表記しています。元のバイト列は
packets.pcapng にあります。検知は、観測した通信とその判定を示すもので、不正を断定するものではありません。

{missing}元のキャプチャはこのフォルダーに含まれていません。manifest.json のハッシュ値とともに、改変せずに保管してください。

引き渡した者：
受け取った者：
日時・場所：
""",
}


def readme(language: str, finding_id: int, title: str, missing: Sequence[str], *, with_packets: bool) -> str:
    """The README. title : of the finding; missing : sentences on what the packets lack, cleaned both."""
    told = {name: text for name, text in MEANINGS[language].items() if name != "README.txt"}
    if not with_packets:
        del told["packets.pcapng"]
    files = "\n".join(f"{name:<16}{text}" for name, text in told.items())
    lines = "".join(f"{line}\n" for line in missing)
    return _TEXTS[language].format(id=finding_id, title=title, files=files, missing=f"{lines}\n" if lines else "")
