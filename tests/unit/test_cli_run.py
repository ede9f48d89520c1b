"""The command as a whole on a small store: formats, limits, exit codes, pipes, start-up."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sensor.cli.main
from sensor.errors import InputError, PrivilegeError, StoreError, UsageError
from tests.support import terminal
from tests.support.cli_store import HOSTILE, N_BEATS, make_store
from tests.support.command import KAGAMI, Call, caller

REPO = Path(__file__).resolve().parents[2]
UNWANTED = ("numba", "numpy", "scapy", "pyshark", "sqlite_utils", "rich")
PIPED = [
    *(
        "findings",
        "flows",
        "events",
        "dns",
        "show 1",
        "show 3",
        "status",
        "blocklist",
        "hunt 198.51.100.23",
        "related 1",
    ),
    "timeline 10.0.0.99",
]
QUICK = [
    *("quarantine", "findings --by domain", "findings --format ecs", "allow list", "watchlist list", "help"),
    *("blocklist --history", "blocklist --format stix"),
]
ROWS = {"findings": 3, "flows": N_BEATS + 2, "events": N_BEATS + 1, "dns": 2}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("cli") / "store")


@pytest.fixture
def kagami(store: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    return caller(store, monkeypatch, capfdbinary)


def environment(store: Path) -> dict[str, str]:
    return {**os.environ, "KAGAMI_STORE": str(store), "PYTHONPATH": str(REPO)}


def on_terminal(store: Path, *args: str, columns: int = 120, **env: str) -> str:
    """What the command prints on a terminal of this width."""
    variables = environment(store) | {"COLUMNS": str(columns), "TERM": "xterm"}
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        variables.pop(name, None)
    return terminal.on_terminal([*KAGAMI, *args], variables | env)


# --- formats ---


@pytest.mark.parametrize("verb", ROWS)
def test_all_formats_have_all_rows(kagami: Any, verb: str) -> None:
    array = json.loads(kagami(verb, "--json").out)
    lines = [json.loads(line) for line in kagami(verb, "--ndjson").out.splitlines()]
    table = list(csv.DictReader(io.StringIO(kagami(verb, "--csv").out, newline=""), strict=True))
    tsv = [line.split("\t") for line in kagami(verb).out.splitlines()]
    assert array == lines
    assert len(array) == len(table) == len(tsv) - 1 == ROWS[verb]
    assert list(array[0]) == list(table[0]) == tsv[0]


@pytest.mark.parametrize("command", PIPED)
def test_nothing_that_acts_on_a_terminal_leaves(kagami: Any, command: str) -> None:
    for form in ([], ["--json"]) if command in ("status",) else ([], ["--json"], ["--csv"], ["--ndjson"]):
        if command == "blocklist" and form:
            continue
        done = kagami(*command.split(), *form)
        assert done.code == 0
        kept = done.out.replace("\r\n", "\n").replace("\n", "").replace("\t", "")
        assert kept.isprintable()
        assert done.err.replace("\n", "").isprintable()


def test_json_keeps_hostile_names_as_they_are(kagami: Any) -> None:
    assert json.loads(kagami("findings", "--host", "10.0.0.99", "--json").out)[0]["dest"] == HOSTILE


def test_a_terminal_gets_a_table_with_a_limit_that_is_said(store: Path) -> None:
    text = on_terminal(store, "flows", "--limit", "5")
    assert "showing 5 of 42 flows" in text
    assert text.count("cdn.updates.example") == 5
    assert "\t" not in text
    assert "kagami: showing" not in on_terminal(store, "flows", "--limit", "0")
    assert text.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\n", "").isprintable()


def test_colour_is_a_choice(store: Path) -> None:
    assert "\x1b[1;31mcritical" in on_terminal(store, "findings")
    assert "\x1b[31m" not in on_terminal(store, "findings", NO_COLOR="1")
    assert "\x1b[31m" not in on_terminal(store, "findings", CLICOLOR="0")
    assert "\x1b" not in on_terminal(store, "findings", TERM="dumb")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_is_never_too_narrow(store: Path, columns: int) -> None:
    text = on_terminal(store, "findings", columns=columns, NO_COLOR="1", TERM="xterm")
    lines = text.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert max(len(line) for line in lines if not line.startswith("kagami: ")) <= columns
    assert ("too narrow for" in text) is (columns == 80 or "last seen" not in lines[0])


def test_an_explicit_limit_holds_in_a_pipe_and_is_said(kagami: Any) -> None:
    done = kagami("flows", "--limit", "3", "--ndjson")
    assert len(done.out.splitlines()) == 3
    assert "showing 3 of 42 flows" in done.err
    assert kagami("flows", "--limit", "3", "--ndjson", "-q").err == ""


# --- filters ---


@pytest.mark.parametrize(
    ("args", "n_rows"),
    [
        (["findings", "--min-score", "0.9"], 1),
        (["findings", "--analyzer", "bypass"], 1),
        (["findings", "--dest", "updates.example"], 1),
        (["findings", "--state", "resolved"], 0),
        (["findings", "--since", "2024-10-04T12:30:00Z"], 1),
        (["findings", "--until", "2024-10-03"], 0),
        (["findings", "--until", "2024-10-04"], 3),
        (["flows", "--host", "10.0.0.57", "--port", "443", "--proto", "TCP", "--state", "sf"], N_BEATS),
        (["flows", "--since", "-1h"], 0),
        (["events", "--kind", "request"], 1),
        (["dns", "--qtype", "txt"], 1),
        (["dns", "--dest", "203.0.113.66"], 1),
        (["dns", "--answer", "203.0.113.0/24"], 1),
        (["dns", "--qtype", "16", "--app", "dns"], 0),
        (["dns", "--rcode", "none"], 0),
        (["flows", "--name", "UPDATES.example.", "--name", "none.example"], N_BEATS),
        (["flows", "--app", "tls"], N_BEATS),
        (["flows", "--app", "none"], 2),
        (["flows", "--port", "443", "--port", "80"], N_BEATS + 2),
        (["flows", "--via-proxy"], 0),
        (["flows", "--direct", "--user-agent", "[BOLD red]EVIL"], 1),
        (["events", "--method", "get", "--uri", "/c calc"], 1),
        (["events", "--app", "tls", "--name", "updates.example"], N_BEATS),
        (["events", "--kind", "attempt", "--kind", "request"], 1),
    ],
)
def test_filters_reach_the_store(kagami: Any, args: list[str], n_rows: int) -> None:
    done = kagami(*args, "--json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)) == n_rows


# --- exit codes ---


@pytest.mark.parametrize(
    "args",
    [
        ["findigs"], ["findings", "--nope"], ["findings", "--json", "--csv"], ["show"], ["show", "x"], ["show", "99"],
        ["flows", "--since", "soon"], ["flows", "--host", "a.name"], ["findings", "--min-score", "2"], ["--store"],
        ["replay", "/no/such/file.pcap"], ["replay"], ["findings", "--store", "/no/such/store"],
        ["blocklist", "--site", "/no/such/site.toml"], ["blocklist", "-o", "/no/such/folder/list"],
        ["replay", "--no-analyze", "--fail-on", "low", "."], [],
    ],
)  # fmt: skip
def test_wrong_words_are_2_with_one_message(kagami: Any, args: list[str]) -> None:
    done = kagami(*args)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert not args or done.err.startswith("kagami: ")


def test_a_near_miss_is_suggested(kagami: Any) -> None:
    assert "did you mean 'findings'?" in kagami("findigs").err


@pytest.mark.parametrize(("level", "code"), [("low", 1), ("high", 1), ("critical", 1)])
def test_fail_on(kagami: Any, level: str, code: int) -> None:
    assert kagami("findings", "--fail-on", level).code == code
    assert kagami("findings", "--fail-on", level, "--limit", "1", "--host", "10.0.0.64").code == (level != "critical")
    assert kagami("findings", "--fail-on", level, "--state", "resolved").code == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (StoreError("x"), 2),
        (InputError("x"), 3),
        (PrivilegeError("x"), 4),
        (PermissionError(13, "Permission denied", "/x\x1b"), 4),
        (OSError(28, "No space left on device"), 2),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
        (ZeroDivisionError("\x1b[31m"), 70),
    ],
)
def test_errors_have_their_codes(kagami: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("sensor.cli.main.silence", lambda stream: None)
    monkeypatch.setattr(sensor.cli.main.cli, "invoke", fail)
    done = kagami("status")
    assert done.code == code
    assert done.err.replace("\n", "").isprintable()
    assert ("Traceback" in done.err) is (code == 70)


def test_verbose_shows_where_an_error_came_from(kagami: Any) -> None:
    assert "Traceback" not in kagami("show", "99").err
    assert "Traceback" in kagami("show", "99", "-v").err
    assert "Traceback" in kagami("-v", "show", "99").err


def test_an_error_cannot_pass_for_two(kagami: Any, tmp_path: Path) -> None:
    done = kagami("findings", "--store", str(tmp_path / "x\nkagami: all is well\x1b[2J"))
    assert done.code == 2
    assert sum(line.startswith("kagami: ") for line in done.err.splitlines()) == 1
    assert "\\x1b[2J" in done.err


# --- where options stand, and the environment ---


def test_a_global_option_after_the_verb_wins_over_the_environment(kagami: Any, tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    assert missing in kagami("findings", "--store", missing).err
    assert missing in kagami("--store", missing, "findings").err
    assert kagami("--store", missing, "findings", "--store", str(os.environ["KAGAMI_STORE"])).code == 0


def test_the_version() -> None:
    done = subprocess.run([*KAGAMI, "--version"], cwd=REPO, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"kagami {sensor.__version__}\n".encode(), b"")


# --- pipes and start-up ---


@pytest.mark.parametrize("command", ["flows --ndjson", "findings", "--help", "show 1", "findings --fail-on low"])
def test_a_reader_that_stops_reading_is_no_error(store: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    child = subprocess.run(
        [*KAGAMI, *command.split()],
        env=environment(store),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert child.stderr == b""
    assert child.returncode == (1 if "--fail-on" in command else 0)


@pytest.mark.parametrize("command", ["--help", "--version", "replay --help", "findings --help", *PIPED, *QUICK])
def test_quick_commands_load_nothing_heavy(store: Path, command: str) -> None:
    code = f"""
import sys
from sensor.cli.main import run
code = run({command.split()!r})
sys.stdout.flush()
print(code, *[name for name in {UNWANTED!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment(store), capture_output=True, check=True)
    assert done.stderr.splitlines()[-1] == b"0"


def test_help_loads_no_verb(store: Path) -> None:
    code = "import sys; from sensor.cli.main import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, check=True)
    assert b"sensor.cli.verbs." not in done.stderr
    assert b"sqlite3" not in done.stderr.split()


# --- status and blocklist ---


def test_status_in_words_and_as_json(kagami: Any) -> None:
    text = kagami("status").out
    for part in (
        "1 complete",
        "1,234,567 packets",
        "truncated_ip 67",
        "evicted 3",
        "read with   exchange gap 200 ms\n",
        "1 critical, 1 high, 1 low (3 new)",
    ):
        assert part in text
    health = json.loads(kagami("status", "--json").out)
    assert health["findings_by_severity"] == {"critical": 1, "high": 1, "low": 1}
    assert health["first_ts"] == "2024-10-04T12:00:00.000000000Z"
    assert health["counters"] == {"decode": {"ok": 1_234_500, "truncated_ip": 67}, "flows": {"evicted": 3}}
    assert health["settings"] == {"exchange_gap_ms": [200]}
    assert health["proxies"] == []


def test_the_blocklist_previews_and_writes(kagami: Any, tmp_path: Path) -> None:
    preview = kagami("blocklist")
    assert preview.out.splitlines() == ["203.0.113.66", "cdn.updates.example"]
    assert "held back 198.51.100.23 (finding 2): also serves" in preview.err
    target = tmp_path / "block.txt"
    written = kagami("blocklist", "--format", "plain", "-o", str(target))
    assert written.out == ""
    assert target.read_text() == preview.out
    assert kagami("blocklist", "--force").out.splitlines()[0] == "198.51.100.23"


def test_the_blocklist_takes_the_severity_asked_for(kagami: Any) -> None:
    assert "2 entries from 1 finding," in kagami("blocklist", "--min-severity", "critical").err
    low = kagami("blocklist", "--min-severity", "low")
    assert "is neither an address nor a plain domain name" in low.err
    assert low.out == kagami("blocklist").out
