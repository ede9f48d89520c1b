"""The closed vocabularies of reasons in Japanese: kinds of traffic, roles, benign explanations, features of the model.

Names of products stay as they are. So does a word that a person wrote into the site file.
"""

OUTCOMES = {"established": "接続成立", "half": "片方向のみ観測", "refused": "拒否", "unanswered": "応答なし"}

OUTCOMES_MEAN = {
    "established": "外部との接続が成立",
    "half": "ミラーポートでは片方向のみ観測（通信が続いているため、接続成立の可能性大）",
    "refused": "接続は拒否（リセットまたは ICMP の通知を受信）",
    "unanswered": "応答なし（途中で遮断、または通信先が停止）",
}

WAYS = {
    "past": "プロキシを経由しない外部への",
    "out": "外部への直接",
    "uncarried": "透過型プロキシを経由しない外部への",
    "disallowed": "サーバーの役割で許可されていない外部への",
    "disallowed through proxy": "サーバーの役割で許可されていないプロキシ経由の外部への",
}

ROLES = {
    "directory": "ディレクトリサーバー", "dns": "DNS サーバー", "file": "ファイルサーバー", "mail": "メールサーバー",
    "print": "プリントサーバー", "database": "データベースサーバー", "update": "更新配信サーバー", "server": "サーバー",
}  # fmt: skip

CATEGORIES = {
    "web": "Web",
    "web on an unusual port": "通常と異なるポートの Web",
    "web through somebody else's proxy": "外部のプロキシを経由した Web",
    "web through the proxy": "プロキシを経由した Web",
    "DNS to an outside resolver": "外部リゾルバーへの DNS",
    "encrypted DNS (DoT, DoQ) to an outside resolver": "外部リゾルバーへの暗号化 DNS（DoT、DoQ）",
    "encrypted DNS (DoH) to an outside resolver": "外部リゾルバーへの暗号化 DNS（DoH）",
    "direct mail": "メールの直接送受信",
    "remote control": "遠隔操作",
    "VPN or tunnel": "VPN またはトンネル",
    "Tor, or what looks like it": "Tor またはその疑い",
    "STUN or TURN relay": "STUN または TURN による中継",
    "file transfer": "ファイル転送",
    "peer to peer": "P2P",
    "NTP": "NTP",
    "ICMP with payload": "データを伴う ICMP",
    "ping": "ping",
    "TCP on an odd port": "特殊なポートの TCP",
    "UDP on an odd port": "特殊なポートの UDP",
    "another IP protocol": "その他の IP プロトコル",
}

UNITED_BY = {
    "names of one address": "IP アドレスが同じ通信先",
    "names below one domain": "同じドメイン配下の通信先",
    "addresses of one block": "同じアドレスブロック内の通信先",
    "destinations in the same manner": "通信の傾向が同じ通信先",
    "destinations of one JA4": "JA4 が同じ通信先",
    "servers of one certificate": "証明書が同じサーバー",
}

LABELS = {
    # analyzers.beacon.tell
    "what clients ask of this host as their proxy": "プロキシとして端末から依頼された通信",
    "what clients ask of this host as their resolver": "リゾルバーとして端末から依頼された問い合わせ",
    # analyzers.beacon.keepalive
    "keep-alives of connections that a program holds open": "プログラムが維持している接続の死活確認",
    # analyzers.beacon.context
    "NTP: clients ask their time server at a fixed pace": "NTP（時刻サーバーへの定期的な問い合わせ）",
    "DNS: a resolver is asked all day by everything on the host": "DNS（リゾルバーへの日常的な問い合わせ）",
    "DNS over TLS: a resolver is asked all day by everything on the host": "DNS over TLS（リゾルバーへの日常的な問い合わせ）",
    "DHCP: leases are renewed at a fixed pace": "DHCP（リースの定期的な更新）",
    "DHCPv6: leases are renewed at a fixed pace": "DHCPv6（リースの定期的な更新）",
    "NetBIOS name service: announcements repeat at a fixed pace": "NetBIOS 名前サービス（定期的な通知）",
    "NetBIOS datagrams: announcements repeat at a fixed pace": "NetBIOS データグラム（定期的な通知）",
    "SSDP: devices announce themselves at a fixed pace": "SSDP（機器の定期的な通知）",
    "STUN: calls keep their way through a NAT open at a fixed pace": "STUN（通話の NAT 越えを維持する定期的な通信）",
    "mDNS: devices announce themselves at a fixed pace": "mDNS（機器の定期的な通知）",
    # analyzers.egress.category and sensor/data/destinations.toml
    "clock": "時刻同期",
    "ping of ordinary size": "通常のサイズの ping",
    "certificate revocation check": "証明書の失効確認",
    "check for a captive portal": "キャプティブポータルの確認",
    "push service": "プッシュ通知サービス",
    # analyzers/data/known_software.toml
    "Android connectivity check": "Android の接続確認",
    "Apple connectivity check": "Apple 製品の接続確認",
    "Apple push notifications": "Apple のプッシュ通知",
    "Apple software update": "Apple のソフトウェアアップデート",
    "Azure Monitor agent": "Azure Monitor エージェント",
    "ClamAV signatures": "ClamAV の定義ファイル更新",
    "CrowdStrike Falcon sensor": "CrowdStrike Falcon センサー",
    "Datadog agent": "Datadog エージェント",
    "Debian packages": "Debian のパッケージ更新",
    "Dropbox notifications": "Dropbox の通知",
    "Dynatrace agent": "Dynatrace エージェント",
    "ESET updates": "ESET の更新",
    "Edge updates": "Edge の更新",
    "Fedora and EPEL mirrors": "Fedora および EPEL のミラー",
    "Firefox connectivity check": "Firefox の接続確認",
    "Firefox push": "Firefox のプッシュ通知",
    "Firefox settings and updates": "Firefox の設定と更新",
    "Google push (FCM)": "Google のプッシュ通知（FCM）",
    "Google update and Chrome components": "Google Update および Chrome コンポーネントの更新",
    "Kaspersky updates": "Kaspersky の更新",
    "Linux connectivity check (NetworkManager)": "Linux の接続確認（NetworkManager）",
    "Microsoft Defender": "Microsoft Defender",
    "Microsoft Teams signalling": "Microsoft Teams のシグナリング",
    "Microsoft packages for Linux": "Linux 向け Microsoft パッケージの更新",
    "NTP pool": "NTP プール",
    "New Relic agent": "New Relic エージェント",
    "Office configuration": "Office の構成情報の取得",
    "Red Hat subscription and packages": "Red Hat のサブスクリプションとパッケージ更新",
    "Slack messages": "Slack のメッセージ",
    "Sophos updates and lookups": "Sophos の更新と照会",
    "Trend Micro updates": "Trend Micro の更新",
    "Ubuntu packages and services": "Ubuntu のパッケージ更新とサービス",
    "Windows Update": "Windows Update",
    "Windows and Office telemetry": "Windows および Office の診断データ",
    "Windows connectivity check": "Windows の接続確認",
    "Windows push notifications": "Windows のプッシュ通知",
    "Zoom": "Zoom",
    "certificate status (OCSP, CRL)": "証明書の失効確認（OCSP、CRL）",
    "block lists in DNS (mail filters)": "DNS ブロックリストの照会（メールフィルター）",
    "firmware metadata (fwupd)": "ファームウェア情報の取得（fwupd）",
    "public time server": "公開時刻サーバー",
    "snap refresh": "snap の更新",
    "time server of the operating system's maker": "OS 提供元の時刻サーバー",
}
"""Benign explanations."""

SERVICES = {
    "windows-update": "Windows Update", "linux-update": "Linux の更新", "revocation": "証明書の失効確認",
    "captive-portal": "キャプティブポータルの確認", "push": "プッシュ通知", "antivirus": "ウイルス対策ソフトの更新",
    "linux-project": "Linux ディストリビューションの配布元", "apple-update": "Apple 製品の更新", "office-update": "Office の更新",
    "browser-update": "ブラウザーの更新", "certificate-authority": "認証局",
    "ntp": "NTP", "dns": "DNS", "mail": "メール", "kerberos": "Kerberos", "ldap": "LDAP", "smb": "SMB", "sql": "SQL",
    "update": "更新配信", "print": "印刷", "http": "HTTP", "https": "HTTPS", "rdp": "RDP", "ssh": "SSH", "dhcp": "DHCP",
    "radius": "RADIUS", "syslog": "syslog", "sip": "SIP",
}  # fmt: skip
"""Sets of destinations, and services that a server answers."""

LOWERED = {"score": "スコア", "severity": "深刻度"}

FEATURES = {
    "clock": "周期の明確さ",
    "jitter": "ゆらぎの幅",
    "gain": "間隔の一致度",
    "beats": "通信回数",
    "kept": "周期に一致する間隔の割合",
    "coverage": "定期的な通信が占める時間の割合",
    "gap_spread": "間隔全体のばらつき",
    "gap_low": "短い間隔",
    "gap_high": "長い間隔",
    "part_best": "最も規則的な時間帯の規則性",
    "part_mean": "各時間帯を通じた規則性",
    "change": "一度変わってから続く間隔の変化",
    "drift": "周期のずれ方",
    "burst": "1 回あたりの通信件数",
    "orig_share": "送信サイズの一致",
    "resp_share": "受信サイズの一致",
    "same_size": "最大の送信サイズの一致",
    "orig_top": "最大の送信量",
    "resp_top": "最大の受信量",
    "resp_spread": "受信サイズのばらつき",
    "instant": "瞬時に終わる通信",
    "before": "開始の時期",
    "after": "終了の時期",
    "fill": "端末の活動時間に占める割合",
    "spread": "端末の活動時間内での均等さ",
    "follow": "利用者の操作との連動",
    "quiet_beats": "利用者の操作がない時間帯の通信",
    "quiet_gain": "利用者の操作がない時間帯の周期性",
    "host_people": "端末における利用者起因の通信の数",
    "host_timed": "端末における他の定期的な通信の数",
    "clients": "同じ通信先に接続する端末の数",
    "clients_share": "同じ通信先に接続する端末の割合",
    "timed_share": "同じ通信先と定期的に通信する他の端末",
    "n_same": "同じ周期の他の端末の数",
    "same_share": "同じ周期の他の端末の割合",
    "period_off": "他の端末と異なる周期",
    "orig_off": "他の端末と異なる送信サイズ",
    "resp_off": "他の端末と異なる受信サイズ",
    "events_off": "他の端末と異なる通信回数",
    "share_off": "他の端末と異なるサイズの一致度",
    "clock_off": "他の端末と異なる周期性",
    "twins": "同じ傾向をもつこの端末の他の通信",
    "hosts": "観測した端末の数",
}

_TERMS = OUTCOMES | CATEGORIES | UNITED_BY | LABELS | SERVICES | LOWERED


def term(word: str) -> str:
    """A word of one of the vocabularies; one that is not known stays as it is."""
    return _TERMS.get(word, word)
