"""Words for a shell on a node: the one place that quotes them."""

import shlex
from pathlib import PurePosixPath


def quoted(word: PurePosixPath | str) -> str:
    """One word, whatever is in it."""
    return shlex.quote(str(word))
