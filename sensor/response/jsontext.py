"""JSON for files that leave the machine: ASCII alone, so that no reader meets a control or bidi character raw."""

import json
from typing import Any


def json_text(value: Any) -> str:
    r"""A value as indented JSON with everything beyond printable ASCII as \uXXXX, and a newline at its end.

    A lone surrogate, which has no UTF-8 form, is given as visible text.
    """
    return json.dumps(_speakable(value), indent=1).replace("\x7f", "\\u007f") + "\n"


def _speakable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_speakable(key): _speakable(item) for key, item in value.items()}
    return [_speakable(item) for item in value] if isinstance(value, list | tuple) else value
