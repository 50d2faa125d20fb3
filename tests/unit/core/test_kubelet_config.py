"""A kubelet's configuration: drop-ins are merged in the kubelet's own order, and flags win."""

import re
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tasks.cluster import shapes
from tasks.core.probes.kubelet_config import EVICTION, eviction_hard, in_order, overlaid, patches_of
from tasks.core.probes.node_shape import Places, parse, places_told
from tasks.core.shell import script
from tests.facts.shapes import CONFIG, WORDS, encoded, places, printed
from tests.servers.binaries import kubernetes_binaries


@pytest.mark.parametrize(
    ("file", "patches", "merged"),
    [
        ({"a": 1}, [], {"a": 1}),
        ({"a": 1, "b": [1, 2]}, [{"b": [3]}], {"a": 1, "b": [3]}),
        ({"a": {"x": 1, "y": {"z": 2}}}, [{"a": {"y": {"z": 3}}}], {"a": {"x": 1, "y": {"z": 3}}}),
        ({"a": {"x": 1}}, [{"a": None}, {"a": {"y": 2}}], {"a": {"y": 2}}),
        ({"a": 1}, [{"a": {"x": None, "y": 1}}, {"a": {"y": 2}}], {"a": {"y": 2}}),
        ({"a": None}, [{"b": None}], {}),
    ],
)
def test_a_drop_in_is_a_merge_patch(
    file: dict[str, Any], patches: list[dict[str, Any]], merged: dict[str, Any]
) -> None:
    """Maps field by field, lists as a whole, and null takes away."""
    assert overlaid(file, patches) == merged


def test_flags_win_over_drop_ins() -> None:
    """Also one within another field; what is no switch stays a word."""
    flags = {"fail-swap-on": "False", "client-ca-file": "/srv/ca.crt", "tls-cert-file": "/srv/tls.crt", "v": "2"}
    drop_in = {
        "failSwapOn": True,
        "authentication": {"x509": {"clientCAFile": "/old"}, "anonymous": {"enabled": False}},
    }
    assert overlaid({}, patches_of([drop_in], flags)) == {
        "authentication": {"x509": {"clientCAFile": "/srv/ca.crt"}, "anonymous": {"enabled": False}},
        "failSwapOn": False,
        "tlsCertFile": "/srv/tls.crt",
    }


@pytest.mark.parametrize(
    ("file", "drop_ins", "flags", "found"),
    [
        ({}, [], [], EVICTION),
        ({"evictionHard": None}, [], [], EVICTION),
        ({"evictionHard": {}}, [], [], {}),
        ({"evictionHard": {"nodefs.available": "1Gi"}}, [], [], {"nodefs.available": "1Gi"}),
        (
            {"evictionHard": {"nodefs.available": "1Gi"}, "mergeDefaultEvictionSettings": True},
            [],
            [],
            EVICTION | {"nodefs.available": "1Gi"},
        ),
        ({}, [{"evictionHard": {"nodefs.available": "1Gi"}}], [], EVICTION | {"nodefs.available": "1Gi"}),
        (
            {"evictionHard": {"nodefs.available": "1Gi"}},
            [{"evictionHard": {"imagefs.available": "2%"}, "mergeDefaultEvictionSettings": True}],
            [],
            {"nodefs.available": "1Gi", "imagefs.available": "2%"},
        ),
        ({}, [{"evictionHard": None}], [], {}),
        (
            {"mergeDefaultEvictionSettings": True},
            [],
            ["nodefs.available<1Gi,, imagefs.available < 2%", "nodefs.inodesFree<3%"],
            {"nodefs.available": "1Gi", "imagefs.available": "2%", "nodefs.inodesFree": "3%"},
        ),
        ({}, [], [""], {}),
    ],
    ids=["none", "null", "empty", "some", "merged", "drop-in", "drop-ins", "taken away", "flags", "empty flag"],
)
def test_thresholds_are_those_of_the_kubelet(
    file: dict[str, Any], drop_ins: list[dict[str, Any]], flags: list[str], found: dict[str, str]
) -> None:
    """It adds its defaults to the file alone, before drop-ins; a flag replaces all (v1.37)."""
    assert eviction_hard(file, drop_ins, flags) == found


@pytest.mark.parametrize(
    ("config", "more", "flag", "problem"),
    [
        ("evictionHard: [a]", "", "", "evictionHard is ['a'], which is no map"),
        (CONFIG, "evictionHard: 5%", "", "evictionHard of a drop-in is '5%', which is no map"),
        (CONFIG, "", "nodefs.available=5%", "--eviction-hard has 'nodefs.available=5%', which is no SIGNAL<VALUE"),
        (CONFIG, "- a", "", "/etc/drop-ins/1.conf is no KubeletConfiguration"),
        ("- a", "- a", "nodefs.available<5%", ""),
    ],
    ids=["no map", "drop-in", "flag", "no drop-in", "flag wins"],
)
def test_thresholds_that_are_not_known_are_told(config: str, more: str, flag: str, problem: str) -> None:
    """A flag replaces what the files say, so that they do not matter then."""
    words = f"{WORDS}--config-dir=/etc/drop-ins\n" + (f"--eviction-hard={flag}\n" if flag else "")
    looked_at = places().model_copy(update={"config_dir": "/etc/drop-ins"})
    kind = "kind: KubeletConfiguration\n"
    given = drop_in("/etc/drop-ins/1.conf", more if more.startswith("-") else kind + more)
    found = parse("w1", printed(words=words, config=config, more=given), looked_at).kubelet
    assert found.eviction_problem == problem
    assert found.eviction_hard == ({} if problem else {"nodefs.available": "5%"})
    unread = printed(words=WORDS, config=None, more="unread /etc/drop-ins/1.conf\nunread /etc/kubernetes/x")
    assert parse("w1", unread, looked_at).kubelet.eviction_problem == (
        "/etc/drop-ins/1.conf could not be read; /var/lib/kubelet/config.yaml could not be read: the kubelet's defaults are assumed"
    )


def test_the_folder_of_the_kubelet_is_that_of_its_flag() -> None:
    """Without flags it is not known."""
    assert parse("w1", printed(), places()).kubelet.root == PurePosixPath("/var/lib/kubelet")
    assert parse("w1", printed(words=f"{WORDS}--root-dir\n/data\n"), places()).kubelet.root == PurePosixPath("/data")
    assert parse("w1", printed(words=""), places()).kubelet.root is None


def test_the_order_is_that_of_a_walk() -> None:
    """Name by name: `a/` comes before `a.conf`, which it does not where whole paths are compared."""
    files = ["/d/b.conf", "/d/a.conf", "/d/a/9.conf", "/d/10.conf", "/d/9.conf"]
    assert [path for path, _ in in_order((path, "") for path in files)] == [
        *("/d/10.conf", "/d/9.conf"),
        *("/d/a/9.conf", "/d/a.conf", "/d/b.conf"),
    ]


def drop_in(path: str, text: str) -> str:
    """As a node prints it."""
    return f"dropin {path} {encoded(text)}"


HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"


def test_what_is_read_of_a_kubelet_is_what_it_merged() -> None:
    """Whichever file says it, and in whichever order a node prints them."""
    more = "\n".join(
        [
            drop_in(
                "/srv/kubelet.d/20%20b.conf", f"{HEAD}healthzPort: 10300\nclusterDomain: k8s.example\nport: null\n"
            ),
            drop_in(
                "/srv/kubelet.d/10.conf",
                f"{HEAD}healthzPort: 1\ncontainerRuntimeEndpoint: unix:///run/crio/crio.sock\n",
            ),
        ]
    )
    words = f"{WORDS}--config-dir=/srv/kubelet.d\n--cluster-domain=flag.example\n"
    shape = parse("cp1", printed(config=f"{CONFIG}port: 10260\n", words=words, more=more), places())
    assert shape.problems == ()
    assert shape.kubelet.drop_ins == ("/srv/kubelet.d/10.conf", "/srv/kubelet.d/20 b.conf")
    assert shape.kubelet.healthz
    assert (shape.kubelet.healthz.port, shape.kubelet.address.port) == (10300, 10250)
    assert shape.kubelet.runtime_endpoint == "unix:///run/crio/crio.sock"
    assert shape.kubelet.cluster_domain == "flag.example"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("absent /d/", "--config-dir of the kubelet is /d/, which is not there: it does not start again"),
        (drop_in("/d/1.conf", "- a"), "/d/1.conf is no KubeletConfiguration"),
        (
            drop_in("/d/1.conf", "port: 1"),
            "/d/1.conf has no kind: KubeletConfiguration: the kubelet does not start again with it",
        ),
        ("unread /d/1.conf", "/d/1.conf could not be read"),
    ],
)
def test_a_drop_in_that_is_not_understood_is_a_problem(more: str, problem: str) -> None:
    """By its own name."""
    looked_at = Places(
        config=PurePosixPath("/var/lib/kubelet/config.yaml"),
        config_dir="/d",
        manifests=PurePosixPath("/etc/kubernetes/manifests"),
    )
    shape = parse("cp1", printed(words=f"{WORDS}--config-dir=/d\n", more=more), looked_at)
    assert shape.problems == (problem,)


def test_a_node_tells_all_that_its_kubelet_takes(tmp_path: Path) -> None:
    """In folders of the folder, too, links to files, and names with spaces; nothing but `.conf`, and no folder that is called so."""
    folder = tmp_path / "kubelet.d"
    (folder / "more.conf").mkdir(parents=True)
    for name, port in (("10.conf", 1), ("20 b.conf", 2), ("more.conf/5.conf", 3), ("x.yaml", 9), ("x.conf~", 9)):
        (folder / name).write_text(f"healthzPort: {port}\n")
    (tmp_path / "elsewhere").write_text("healthzPort: 4\n")
    (folder / "z.conf").symlink_to(tmp_path / "elsewhere")
    looked_at = Places(config=PurePosixPath("/none"), config_dir=str(folder), manifests=PurePosixPath("/none"))
    look = script(
        str(Path("tasks/cluster/shapes.py").resolve()), "look_at_shape", parked="/none", **looked_at.model_dump()
    )
    done = subprocess.run(["sh", "-c", f"systemctl() {{ :; }}\n{look}"], capture_output=True, check=True)
    shape = parse("cp1", done.stdout, looked_at)
    names = ("10.conf", "20 b.conf", "more.conf/5.conf", "z.conf")
    assert shape.kubelet.drop_ins == tuple(str(folder / name) for name in names)
    assert shape.kubelet.healthz
    assert shape.kubelet.healthz.port == 4
    assert places_told(done.stdout, looked_at).config_dir == ""


def port_of_kubelet(config: Path, folder: Path, *flags: str) -> int:
    """Which healthzPort a real kubelet has merged: it says so where that is none."""
    words = [str(kubernetes_binaries() / "kubelet"), f"--config={config}", f"--config-dir={folder}", *flags]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r"healthzPort \(--healthz-port\) (\d+) must be", done.stderr)
    assert found, done.stderr
    return int(found[1])


@pytest.mark.parametrize("flags", [(), ("--healthz-port=70099",)])
def test_a_real_kubelet_merges_the_same(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """One by one with more files: a folder before the file that is called like it, one that is called like a file, null, and flags."""
    config, folder = tmp_path / "config.yaml", tmp_path / "d"
    config.write_text(f"{HEAD}healthzPort: 70000\n")
    folder.mkdir()
    looked_at = Places(config=config, config_dir=str(folder), manifests=PurePosixPath("/none"))
    look = script(str(Path(shapes.__file__)), "look_at_shape", parked="/none", **looked_at.model_dump())
    words = encoded("\n".join(["kubelet", f"--config={config}", f"--config-dir={folder}", *flags]))
    for name, port in (("a.conf", 70001), ("a/z.conf", 70002), ("m.conf/x.conf", 70003), ("z.yaml", 70009)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{HEAD}healthzPort: {port}\n")
        done = subprocess.run(["sh", "-c", f"systemctl() {{ :; }}\n{look}"], capture_output=True, check=True)
        shape = parse("w1", done.stdout + f"words {words}\n".encode(), looked_at)
        assert shape.kubelet.healthz
        assert shape.kubelet.healthz.port == port_of_kubelet(config, folder, *flags)
