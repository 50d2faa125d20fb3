"""Reads which kernel a node boots by default, as far as its boot loader reports it.

The source is grubby's answer or GRUB's menu. `boot_menu.lib.sh` prints one of the two. GRUB names its
default entry by number, title or id. A submenu comes before it, separated by `>`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_ENTRY = re.compile(r"""\s*(?P<kind>menuentry|submenu)\s+(?P<quote>['"])(?P<title>.*?)(?P=quote)(?P<rest>.*)""")
_ID = re.compile(r"""(?:\$menuentry_id_option|--id)[ =]+['"]?([^'" ]+)""")
_LINUX = re.compile(r"\s*linux(?:16|efi)?\s+\S*/vmlinuz-(\S+)")
_DEFAULT = re.compile(r"""\s*set default=['"]?([^'"]*)""")
NEXT, SAVED = "${next_entry}", "${saved_entry}"


@dataclass
class _Entry:
    """This is an entry of the menu, or a submenu."""

    names: tuple[str, ...] = ()
    kernel: str = ""
    entries: list["_Entry"] = field(default_factory=list)


def default_kernel(menu: str, *, chosen_once: str = "", saved: str = "", installed: Sequence[str] = ()) -> str:
    """Returns the default kernel of a grub.cfg and of the variables in its environment.

    It is empty if that is not known.
    """
    top = _read(menu)
    wanted = [one for line in menu.splitlines() if (found := _DEFAULT.match(line)) and (one := found[1]) != NEXT]
    name = chosen_once or (wanted[-1] if wanted else "0").replace(SAVED, saved)
    kernel = _chosen(top.entries, name or "0")
    return kernel if kernel in installed else ""


def _read(menu: str) -> _Entry:
    """Parses a menu line by line, as grub-mkconfig writes it. A brace of another block closes no entry."""
    top = _Entry()
    open_ones = [top]
    for line in menu.splitlines():
        if entry := _ENTRY.match(line):
            made = _Entry(names=(entry["title"], *_ID.findall(entry["rest"])))
            open_ones[-1].entries.append(made)
            open_ones.append(made)
        elif linux := _LINUX.match(line):
            open_ones[-1].kernel = open_ones[-1].kernel or linux[1]
        elif line.strip() == "}" and len(open_ones) > 1:
            open_ones.pop()
    return top


def _chosen(entries: Sequence[_Entry], name: str) -> str:
    """Returns the kernel of that entry.

    It is empty for a submenu, because only GRUB knows which of its entries it starts.
    """
    part, _, rest = name.partition(">")
    found = _entry(entries, part)
    if found is None:
        return ""
    return _chosen(found.entries, rest) if rest else found.kernel


def _entry(entries: Sequence[_Entry], name: str) -> _Entry | None:
    if name.isdecimal():
        return entries[int(name)] if int(name) < len(entries) else None
    return next((one for one in entries if name in one.names), None)
