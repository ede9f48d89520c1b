"""The words of a report in Japanese.

Terms are those of the national advisories (JPCERT/CC, IPA, NISC): C2 for command and control, severities as IPA rates
vulnerabilities. Paragraphs are polite (です・ます); headings, cells and reasons are noun phrases.
"""

from analyzers.words.japanese import JAPANESE
from analyzers.words.japanese_text import interval
from sensor.cli.report.words import Row, Words
from sensor.response.summary import BLOCKED

_WORDS = {
    "title": "不審な通信の検知レポート",
    "window": "対象期間：{since} ～ {until}（UTC）",
    "made": "作成日時：{now}（UTC）、作成ツール：kagami {version}",
    "summary": "概要",
    "nothing": "対象期間に未対応の検知はありません。ただし、不審な通信がなかったことの証明ではありません。末尾の「観測できていない範囲」もご確認ください。",
    "untold": "旧版の kagami で分析した検知は、判定の根拠を英語の原文で記載しています。kagami analyze で再分析すると日本語になります。",
    "total": "対象期間に、{m} 台の端末で未対応の検知が計 {n} 件ありました。",
    "findings": "検知一覧",
    "hosts": "検知のあった端末",
    "blocked": "遮断された、または応答がなかった外部への接続試行",
    "blocked_none": "該当はありません。",
    "blocked_note": "次の端末では、何らかのプログラムが外部への接続を試み、失敗しています。接続が成立していなくても、原因となるプログラムは端末に残っています。",
    "health": "センサーの稼働状況",
    "not_seen": "観測できていない範囲",
    "severity": "深刻度", "score": "スコア", "analyzer": "種別", "host": "端末", "dest": "通信先",
    "service": "ポート", "events": "通信回数", "first": "初回観測", "last": "最終観測", "state": "対応状況",
    "outcome": "接続結果", "interval": "間隔", "count": "検知数", "dests": "通信先数",
    "why": "判定の根拠", "when": "時系列", "intervals": "通信間隔の分布", "learned": "通信から得られた情報",
    "peers": "同じ通信先に接続している他の端末", "before": "初回接続の直前 1 分間の通信", "todo": "推奨する対応",
    "techniques": "MITRE ATT&CK", "decided": "対応の記録",
    "comma": "、", "colon": "：", "semicolon": "、", "n_packets": "{n} パケット",
    "score_of": "{score}（{kind}）",
    "peer": "{host}（{n} 回、{first} ～ {last}）",
    "more": "このほか {n} 件の検知は詳細を省略しています。kagami findings で一覧を表示できます。",
    "settled": "対応を終えた検知 {n} 件と、許可設定により非表示の検知 {m} 件は、このレポートに含まれていません。",
    "nobody": "観測した {n} 台のうち、ほかに接続している端末はありません。",
    "picture": "時間ごとの通信回数（合計 {n} 回、1 区間あたり最大 {m} 回）",
    "histogram": "通信間隔ごとの回数",
    "sources": "キャプチャ", "packets": "パケット数", "state_of": "状態", "lost": "欠落・異常",
    "none_lost": "欠落・異常なし", "how": "取得元", "value": "値",
    "flows": "フロー数", "time": "時刻", "did": "内容",
    "utc": "時刻はすべて協定世界時（UTC）です。日本時間は 9 時間を加えてください。通信先は、誤って開くことのないよう [.] を用いて無害化して表記しています。",
    "blind": [
        "暗号化された通信の内容は確認していません。名前、サイズ、時刻、フィンガープリントから判定しています。",
        "ミラーポートを通過した通信だけを観測しています。同じスイッチ内の端末間の通信などは、観測できないことがあります。",
        "DNS over HTTPS、Encrypted ClientHello（ECH）、CDN を利用した通信では、実際の接続先の名前が分からないことがあります。",
        "検知は、端末がそのように振る舞ったことを示すもので、不正を断定するものではありません。正規のソフトウェアが同様の通信をすることもあります。",
    ],
    "absent": "次の {n} 日分は、記録が残っていません：{days}",
    "steps": {
        "beacon": "定期的な通信を行っているプログラムを特定してください。特定できない場合は、端末をネットワークから隔離してください。",
        "bypass": "プロキシを経由せずに通信しているプログラムを特定し、ファイアウォールで外部への直接通信を遮断してください。",
        "server-egress": "サーバーの管理者に通信の目的を確認してください。説明がつかない場合は、侵害されたものとして対応してください。",
        "strobe": "大量の接続を行っているプログラムを特定してください。攻撃、スキャン、プログラムの不具合が考えられます。",
        "long-connection": "接続を維持しているプログラムを特定してください。特定できない場合は、端末をネットワークから隔離してください。",
        "watchlist": "該当する注意喚起の内容を確認し、記載されている侵害の痕跡が端末にないか調査してください。",
        "blocked": "接続は成立していませんが、接続を試みているプログラムは端末に残っています。該当するプログラムを特定してください。",
        "blocked beat": "端末をネットワークから隔離してください。外部への接続を繰り返し試みるプログラムが端末に残っており、ファイアウォールによる遮断だけでは解決しません。",
        "": "該当するプログラムを特定してください。特定できない場合は、端末をネットワークから隔離してください。",
    },
    "keep": "復旧作業の前に、メモリ、ディスク、キャプチャを保全してください：kagami evidence {id} -o DIR",
    "block": "遮断すべき通信先は kagami blocklist、隔離すべき端末は kagami quarantine で確認できます。",
    "severities": {"critical": "緊急", "high": "重要", "medium": "警告", "low": "注意"},
    "states": {
        "new": "未対応", "investigating": "調査中", "confirmed": "脅威と確認", "false-positive": "誤検知",
        "resolved": "対応済み",
    },
    "outcomes": {
        "established": "接続成立", "half": "片方向のみ観測", "refused": "拒否", "unanswered": "応答なし",
    },
    "kinds": {
        "beacon": "定期的な通信", "bypass": "プロキシを経由しない通信", "watchlist": "監視対象との通信",
        "egress": "外部への直接通信", "server-egress": "サーバーからの外部通信", "strobe": "短時間の大量接続",
        "long-connection": "長時間の接続",
    },
    "sightings": {
        "connection": "接続", "exchange": "送受信", "request": "要求", "query": "問い合わせ", "attempt": "接続試行",
        "reply": "応答", "lookup": "名前解決",
    },
    "hows": {
        "asked of the proxy": "プロキシへの要求", "TLS server name": "TLS のサーバー名（SNI）", "certificate": "証明書の主体者",
        "issuer": "証明書の発行者", "certificate SHA-256": "証明書の SHA-256", "DNS answer": "DNS の応答",
        "HTTP Host": "HTTP の Host ヘッダー",
    },
}  # fmt: skip

_SOURCE_STATES = {
    "running": "取り込み中",
    "complete": "正常",
    "damaged": "破損（破損箇所の手前までを解析。詳細は kagami status で確認）",
    "interrupted": "取り込みを中断（未解析の部分あり）",
}

_COUNTERS = {
    "unknown_link": "未対応のデータリンク種別",
    "truncated_link": "データリンクヘッダーの途中切れ",
    "truncated_ip": "IP ヘッダーの途中切れ",
    "malformed_ip": "IP ヘッダーの不正",
    "truncated_l4": "TCP・UDP・ICMP ヘッダーの途中切れ",
    "malformed_l4": "TCP・UDP・ICMP ヘッダーの不正",
    "orphan_fragment": "先頭を観測できなかったフラグメント",
    "tunnel_too_deep": "多重度が上限を超えるトンネル",
    "timestamp_clamped": "範囲外の時刻",
    "timestamp_missing": "時刻の記録なし",
    "timestamp_backwards": "時刻の逆行",
    "timestamp_fraction_too_large": "時刻の端数の不正",
    "wire_len_below_captured": "パケット長の矛盾",
    "evicted": "フロー表からあふれたフロー",
    "messages_lost": "読み取れなかったメッセージ",
    "names_lost": "読み取れなかった名前",
}

_TECHNIQUES = {
    "T1008": "フォールバックチャネル",
    "T1029": "スケジュールされた転送",
    "T1041": "C2 チャネルを介した持ち出し",
    "T1048": "代替プロトコルを介した持ち出し",
    "T1071": "アプリケーション層プロトコル",
    "T1071.001": "Web プロトコル",
    "T1071.002": "ファイル転送プロトコル",
    "T1071.003": "メールプロトコル",
    "T1071.004": "DNS",
    "T1090": "プロキシ",
    "T1090.001": "内部プロキシ",
    "T1090.002": "外部プロキシ",
    "T1090.003": "多段プロキシ",
    "T1095": "非アプリケーション層プロトコル",
    "T1102": "Web サービス",
    "T1104": "多段階チャネル",
    "T1105": "外部からのツールの転送",
    "T1132": "データのエンコード",
    "T1219": "リモートアクセスソフトウェア",
    "T1568": "動的な名前解決",
    "T1568.002": "ドメイン生成アルゴリズム",
    "T1571": "非標準ポート",
    "T1572": "プロトコルトンネリング",
    "T1573": "暗号化されたチャネル",
}
"""MITRE gives no Japanese names; these are the usual ones."""


class Japanese(Words):
    """Japanese, for those who have to hand a report to their management."""

    language = "ja"
    catalogue = _WORDS
    sentences = JAPANESE

    def sentence(self, finding: Row, host: str, dest: str) -> str:
        """See Words."""
        how_often = f"約 {self.span(finding['interval_s'])}間隔で " if finding["interval_s"] else ""
        via = f"プロキシ {finding['via_proxy']} を経由して、" if finding["via_proxy"] else ""
        did = "接続を試みました" if finding["outcome"] in BLOCKED else "通信しました"
        service = f"{finding['resp_port']}/{finding['proto']}"
        return f"端末 {host} が、{via}{dest}（{service}）へ{how_often or ' '}{finding['events']:,} 回{did}。"

    def span(self, seconds: float) -> str:
        """See Words."""
        return interval(seconds)

    def technique(self, number: str) -> str:
        """See Words."""
        return _TECHNIQUES.get(number, "")

    def source_state(self, state: str, error: str) -> str:
        """What an error says is English, and stays with `kagami status`."""
        return _SOURCE_STATES.get(state, state)

    def counter(self, name: str, n: int) -> str:
        """See Words."""
        return f"{_COUNTERS.get(name, name)} {n:,} 件"
