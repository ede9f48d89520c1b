"""What an attacker, or a bad cable, makes of sound bytes."""

from collections.abc import Sequence

from hypothesis import strategies as st


@st.composite
def damaged(draw: st.DrawFn, sound: st.SearchStrategy[bytes], telling: Sequence[int]) -> bytes:
    """Up to four bytes changed, taken out or put in, and an end anywhere.

    telling : bytes that the format gives a meaning to, put in oftener than others
    """
    raw = bytearray(draw(sound))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(raw) - 1, 0)))
        change = draw(st.sampled_from(["set", "cut", "add"]))
        byte = draw(st.one_of(st.sampled_from(telling), st.integers(0, 255)))
        if change == "set" and raw:
            raw[at] = byte
        elif change == "cut":
            del raw[at : at + byte % 8]
        else:
            raw[at:at] = bytes([byte]) * (byte % 5)
    return bytes(raw[: draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))])
