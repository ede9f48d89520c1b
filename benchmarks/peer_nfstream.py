"""Reads a capture with nfstream, one meter, and counts its flows. Run by peers.py; never imported."""

import sys

from nfstream import NFStreamer


def main() -> None:
    """One argument: the capture. Names are on, as they are in nfstream's defaults; statistics are off."""
    print(sum(1 for _ in NFStreamer(source=sys.argv[1], n_meters=1, statistical_analysis=False)))


if __name__ == "__main__":
    main()
