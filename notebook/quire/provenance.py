"""Where a run's code, libraries and machine come from, and how to point at the code."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from quire import cores, kernel
from quire.folder import holds_report

# What two equal runs may tell differently.
_DIFFERING = ("Commit", "Machine")

# Work trees that this process takes for what they were when it looked first.
_kept: dict[Path, "Checkout | None"] = {}

# Hosts whose web pages address a line of a file at a commit in a way that we know.
_FORGES = {"github": "/blob/", "gitlab": "/-/blob/"}
_REMOTE = re.compile(r"^(?:\w+://)?(?:[^@/]*@)?([\w.\-]+)(?::\d+)?[:/](.+?)(?:\.git)?/?$")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A git work tree as it stands.

    Attributes:
        root: its top folder.
        commit: the full hash of HEAD, or "" before the first commit.
        changed: files that differ from that commit or are not in it, relative to `root`.
        web: where the commit's files can be seen, ending in "/", or "" if it is not known to be public.
    """

    root: Path
    commit: str
    changed: tuple[str, ...] = ()
    web: str = ""

    @classmethod
    def around(cls, folder: Path) -> "Checkout | None":
        """The work tree that holds `folder`, or None if there is none or no git."""
        here = folder.resolve()
        # Most often the answer costs no process.
        if not any((above / ".git").exists() for above in (here, *here.parents)):
            return None
        root = _git(folder, "rev-parse", "--show-toplevel").strip()
        if not root:
            return None
        status = _git(folder, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all").split(
            "\0"
        )
        headers = dict(line[2:].split(" ", 1) for line in status if line.startswith("# "))
        commit = headers.get("branch.oid", "(initial)").replace("(initial)", "")
        pushed = headers.get("branch.ab", "").startswith("+0 ") or (
            commit and _git(folder, "for-each-ref", "--contains", commit, "--count=1", "refs/remotes")
        )
        remote = _git(folder, "config", "--get", "remote.origin.url") if pushed else ""
        return cls(Path(root), commit, tuple(_changed(status)), _web(remote.strip(), commit))

    def describe(self) -> str:
        """The commit, and what was changed since, but for reports: those are what changes made."""
        if not self.commit:
            return "none yet"
        changed = [name for name in self.changed if not self._is_in_report(name)]
        if not changed:
            return self.commit[:12]
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        return f"{self.commit[:12]}, with changes to {', '.join(changed[:3])}{more}"

    def _is_in_report(self, name: str) -> bool:
        """Whether a file stands in the folder of a report."""
        return any(holds_report(self.root / above) for above in PurePosixPath(name).parents)


def _git(folder: Path, *arguments: str) -> str:
    """What git prints, or "" if it fails or is not there."""
    import subprocess

    # It must neither wait for anybody nor write: another git may be at work here.
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=10,
            env=environment,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _changed(status: list[str]) -> list[str]:
    """The paths in a status of git's, version 2."""
    # The fields before the path: 8 in an ordinary line, 9 in a rename, 10 in a conflict, 1 if untracked.
    fields = {"1": 8, "2": 9, "u": 10, "?": 1}
    return [
        line.split(" ", fields[line[0]])[-1] for line in status if line[:2].strip() in fields and " " in line
    ]


def _web(remote: str, commit: str) -> str:
    """The address of a commit's files, without any password that the remote's address holds."""
    match = _REMOTE.match(remote)
    if not match:
        return ""
    host, path = match.groups()
    blob = next((blob for forge, blob in _FORGES.items() if forge in host), "")
    return f"https://{host}/{path}{blob}{commit}/" if blob else ""


def keep_checkout(folder: Path) -> None:
    """Has this process, and those forked from it, take the work tree around a folder for what it is now.

    For who has imported all code by now, and forks many runs of it: to ask git takes longer than a short run.
    """
    _kept[folder] = Checkout.around(folder)


def shown(told: Mapping[str, str], *, times: bool) -> dict[str, str]:
    """What a report shows of how it was made: without times, only what two equal runs have in common."""
    return {name: value for name, value in told.items() if times or name not in _DIFFERING}


def top(folder: Path) -> Path:
    """The top of the work tree that holds `folder`; if there is none, the folder from which one looks."""
    here = folder.resolve()
    return next((above for above in (here, *here.parents) if (above / ".git").exists()), Path.cwd())


@dataclass(frozen=True)
class Linker:
    """Names files as a reader of the report would, and links to their lines.

    Attributes:
        base: the folder from which the run was started.
        permanent: whether to link to the pushed commit where that can be done.
    """

    base: Path
    permanent: bool = True
    _names: dict[str, str] = field(default_factory=dict)
    _links: dict[tuple[str, Path], str] = field(default_factory=dict)

    @cached_property
    def checkout(self) -> Checkout | None:
        """The work tree around `base`."""
        return _kept[self.base] if self.base in _kept else Checkout.around(self.base)

    @cached_property
    def _root(self) -> Path:
        return (self.checkout.root if self.checkout else self.base).resolve()

    def name(self, path: str) -> str:
        """The file relative to the work tree (or to where the run was started), else its name alone.

        A cell of a notebook is `In[4]`.
        """
        if cell := kernel.cell(path):
            return cell
        if path not in self._names:
            file = (self.base / path).resolve()
            inside = file.is_relative_to(self._root)
            self._names[path] = file.relative_to(self._root).as_posix() if inside else file.name
        return self._names[path]

    def place(self, path: str) -> str:
        """The file relative to the work tree, or if it is not in there, to where the run was started."""
        file = (self.base / path).resolve()
        if file.is_relative_to(self._root):
            return file.relative_to(self._root).as_posix()
        # As it is called from here, where a link may lead elsewhere on every machine.
        return Path(os.path.relpath(self.base / path, self.base)).as_posix()

    def link(self, path: str, line: int, last_line: int, page: Path) -> str:
        """A link from the folder `page` to lines of `path`, or "" where no link would hold elsewhere."""
        if (path, page) not in self._links:
            self._links[path, page] = self._address(self.name(path), page)
        address = self._links[path, page]
        return address and f"{address}#L{line}" + (f"-L{last_line}" if last_line > line else "")

    def _address(self, name: str, page: Path) -> str:
        if not (self._root / name).is_file():
            return ""
        tree = self.checkout
        if self.permanent and tree and tree.web and name not in tree.changed:
            return f"{tree.web}{quote(name)}"
        if not page.resolve().is_relative_to(self._root):
            return ""
        return quote(Path(os.path.relpath(self._root / name, page.resolve())).as_posix())


def versions() -> str:
    """Python and every library that was imported and says its version, `name version`, sorted."""
    found = {}
    for name, module in list(sys.modules.items()):
        # What stands there, without running any code of the module's that answers for it.
        version = vars(module).get("__version__") if "." not in name else None
        if isinstance(version, str) and name not in sys.stdlib_module_names and not name.startswith("_"):
            found[name] = version
    python = f"Python {'.'.join(map(str, sys.version_info[:3]))}"
    return ", ".join([python, *(f"{name} {found[name]}" for name in sorted(found, key=str.lower))])


def machine() -> str:
    """The processor, how many cores this process may use, and the operating system."""
    return f"{_processor()}, {cores.count()} cores, {os.uname().sysname} {os.uname().release}"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else os.uname().machine
