"""Help by topic, completion, and man pages."""

import inspect
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sensor.cli.main import VERBS, cli, run
from sensor.cli.man import write_pages
from sensor.cli.topics import TOPICS
from tests.support.command import KAGAMI
from tests.support.programs import needs

REPO = Path(__file__).resolve().parents[2]


def told(capfd: pytest.CaptureFixture[str], *args: str) -> str:
    assert run(list(args)) == 0
    sys.stdout.flush()
    return capfd.readouterr().out


def complete(words: str) -> list[str]:
    """What bash is offered behind these words."""
    environment = os.environ | {
        "PYTHONPATH": str(REPO), "_KAGAMI_COMPLETE": "bash_complete", "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }  # fmt: skip
    done = subprocess.run(KAGAMI, env=environment, capture_output=True, text=True, check=True)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_topics(capfd: pytest.CaptureFixture[str]) -> None:
    listed = told(capfd, "help")
    for topic, (title, text) in TOPICS.items():
        assert f"  {topic} " in listed
        page = told(capfd, "help", topic)
        assert page == f"{title}\n\n{inspect.cleandoc(text)}\n"
        assert max(map(len, page.splitlines())) <= 110
    assert run(["help", "nothing"]) == 2
    assert "topics: start" in capfd.readouterr().err


def test_command_lines_of_topics_have_verbs_that_exist() -> None:
    for _, text in TOPICS.values():
        for line in inspect.cleandoc(text).splitlines():
            if line.startswith("kagami "):
                assert shlex.split(line.replace("'", ""))[1].rstrip(":") in VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_is_its_help(verb: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, "help", verb).strip() == told(capfd, verb, "--help").strip()


@pytest.mark.parametrize(
    ("words", "offered"),
    [("kagami bl", ["blocklist"]), ("kagami tri", ["triage"]),
     ("kagami blocklist --format ips", ["ipset"]), ("kagami allow ", ["add", "list", "remove"]),
     ("kagami findings --by d", ["dest", "domain"])],
)  # fmt: skip
def test_completion(words: str, offered: list[str]) -> None:
    assert complete(words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_for_shells(shell: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = told(capfd, "help", "--completion", shell)
    assert f"_KAGAMI_COMPLETE={shell}_complete" in script
    if shell == "bash":
        (tmp_path / "script").write_text(script)
        subprocess.run(["bash", "-n", str(tmp_path / "script")], check=True)


def test_man_pages(tmp_path: Path) -> None:
    n_pages = write_pages(cli, tmp_path / "man1")
    names = {path.stem for path in (tmp_path / "man1").iterdir()}
    assert len(names) == n_pages
    assert {"kagami", "kagami-allow-add", *(f"kagami-{verb}" for verb in VERBS)} <= names
    groff = needs("groff", "groff")
    for path in (tmp_path / "man1").iterdir():
        done = subprocess.run(
            [groff, "-man", "-ww", "-Tutf8", "-P-cbou", "-K", "utf-8", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "", path.name
        assert "EXAMPLES" in done.stdout


def test_one_thing_at_a_time() -> None:
    assert run(["help", "start", "--completion", "bash"]) == 2
