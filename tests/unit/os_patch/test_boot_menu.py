"""Which kernel a machine boots by default, read from menus as grub-mkconfig writes them."""

import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from tasks.core.models.folders import PATCHES
from tasks.core.probes.printed import Printed
from tasks.os_patch.models.packages import Scope
from tasks.os_patch.probes import facts as probe
from tasks.os_patch.probes.boot_menu import default_kernel

OLD, NEW = "6.1.0-26-amd64", "6.1.0-27-amd64"
MENU = """set default="DEFAULT"
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
fi
function load_video {
  insmod all_video
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1f' {
	load_video
	linux	/boot/vmlinuz-6.1.0-27-amd64 root=UUID=1f ro quiet
	initrd	/boot/initrd.img-6.1.0-27-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1f' {
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-27-amd64' --class debian $menuentry_id_option 'gnulinux-6.1.0-27-amd64-advanced-1f' {
		linux	/boot/vmlinuz-6.1.0-27-amd64 root=UUID=1f ro quiet
	}
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-26-amd64' --class debian --id=old {
		linux	/vmlinuz-6.1.0-26-amd64 root=UUID=1f ro quiet
	}
}
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
	fwsetup
}
"""
HEAD = """if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set boot_once=true
else
   set default="${saved_entry}"
fi
"""


def menu(default: str) -> str:
    """With another default."""
    return MENU.replace("DEFAULT", default)


@pytest.mark.parametrize(
    ("default", "kernel"),
    [
        ("0", NEW),
        ("1>1", OLD),
        ("gnulinux-advanced-1f>old", OLD),
        ("Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-26-amd64", OLD),
        ("gnulinux-advanced-1f>gnulinux-6.1.0-27-amd64-advanced-1f", NEW),
        ("1", ""),  # a submenu
        ("2", ""),  # no kernel
        ("7", ""),
        ("1>7", ""),
        ("somewhere>0", ""),
        ("${custom}", ""),
    ],
)
def test_the_default_entry_is_found_by_number_title_or_id(default: str, kernel: str) -> None:
    """What is no kernel, or not there, is not known."""
    assert default_kernel(menu(default), installed=(OLD, NEW)) == kernel


def test_an_entry_may_be_saved_or_chosen_for_once() -> None:
    """A menu that says nothing starts its first entry; a kernel that is not installed is not believed."""
    saved = HEAD + MENU.replace('set default="DEFAULT"', "")
    both = (OLD, NEW)
    assert default_kernel(saved, saved="1>1", installed=both) == OLD
    assert default_kernel(saved, installed=both) == NEW
    assert default_kernel(saved, saved="0", chosen_once="1>1", installed=both) == OLD
    assert default_kernel(MENU.replace('set default="DEFAULT"', ""), installed=both) == NEW
    assert default_kernel(menu("0"), installed=(OLD,)) == ""
    assert default_kernel("}\n", installed=both) == ""


def test_the_script_prints_what_is_read_of_it(tmp_path: Path) -> None:
    """The menu without what is of no interest, and the variables that GRUB keeps."""
    folder = tmp_path / "boot" / "grub"
    folder.mkdir(parents=True)
    (folder / "grub.cfg").write_text(HEAD + MENU.replace('set default="DEFAULT"', ""))
    (folder / "grubenv").write_text("# GRUB Environment Block\nsaved_entry=1>1\nnext_entry=\n####")
    script = probe.glance().replace("/boot/", f"{tmp_path}/boot/").replace(PATCHES, str(tmp_path / "patch"))
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    printed = subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True, env=env).stdout
    told = [*(f"newest_kernel {kernel}" for kernel in (OLD, NEW)), f"kernel {OLD}"]
    facts = probe.parse("w1", printed + "\n".join(told).encode(), Scope.NONE)
    assert facts.default_kernel == OLD
    assert b"load_video" not in b64decode(Printed.of(printed).one("boot_menu"))


@pytest.mark.parametrize(
    ("lines", "known", "there"),
    [
        (f"default_kernel {NEW}\nkernel_since {NEW} 100\nbooted 200", NEW, True),
        (f"kernel_since {NEW} 300\nbooted 200", "", False),
        (f"kernel_since {OLD} 100\nbooted 200", "", False),
        (f"kernel_since {NEW} 100\nbooted ", "", False),
    ],
)
def test_a_machine_says_what_its_boot_loader_and_its_last_boot_did(lines: str, known: str, there: bool) -> None:  # noqa: FBT001 - a table
    """By grubby, and by the moments of boot and installation."""
    told = f"{lines}\nkernel {OLD}\nnewest_kernel {OLD}\nnewest_kernel {NEW}\n"
    facts = probe.parse("w1", told.encode(), Scope.NONE)
    assert (facts.default_kernel, facts.newest_was_there) == (known, there)
