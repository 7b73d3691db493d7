"""The author's code as it is sent to another machine."""

import hashlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from quire import digests, origins, provenance
from quire.errors import ReportError

# So many folders lie above the code where it is laid out, for data that lie beside the work tree.
_DEPTH = 8
# Code is no more than this, in bytes: a package that holds data is not sent with them.
_MOST = 50_000_000


@dataclass(frozen=True)
class Parcel:
    """Files of a work tree, with what is needed to run a script in it.

    Attributes:
        files: their contents, by their paths in the tree.
        here: the folder in the tree in which the script is started.
        paths: the folders in the tree from which modules are imported.
        sha256: of all that.
    """

    files: tuple[tuple[str, bytes], ...]
    here: str
    paths: tuple[str, ...]
    sha256: str

    @classmethod
    def of(cls, script: Path) -> "Parcel":
        """An imported script with all that stands beside it, and the modules of the author's.

        Code from outside of the work tree is put beside it.

        Raises:
            ReportError: it cannot be read, or is too large.
        """
        here = Path.cwd()
        root = provenance.top(here)
        files: dict[str, bytes] = {}
        paths: dict[str, None] = {}
        try:
            for beside in (script, *script.resolve().parent.glob("*.py")):
                files[_within(beside.resolve(), root)] = beside.read_bytes()
            for name, file in origins.own_modules().items():
                place = origins.package(name, Path(file))
                paths[_within(place.parent.resolve(), root)] = None
                for path in _code_in(place):
                    files[_within(path.resolve(), root)] = path.read_bytes()
        except OSError as error:
            raise ReportError(f"{error.filename} cannot be sent to the workers: {error.strerror}") from error
        if (size := sum(map(len, files.values()))) > _MOST:
            raise ReportError(
                f"the code is {size / 1e6:,.0f} MB, more than is sent to workers ({_MOST / 1e6:,.0f} MB): "
                "keep data out of the packages that the demo imports"
            )
        parts = tuple(sorted(files.items()))
        total = hashlib.sha256(repr((os.path.relpath(here, root), tuple(paths))).encode())
        for path_, content in parts:
            total.update(f"{path_}\0{len(content)}\0".encode())
            total.update(content)
        return cls(parts, os.path.relpath(here, root), tuple(paths), total.hexdigest())

    def lay_out(self, folder: Path) -> Path:
        """Puts the files below `folder`, unless they are there; the tree in which they are."""
        home = folder / f"quire-{self.sha256[:32]}"
        tree = home.joinpath(*["up"] * _DEPTH, "tree")
        whole = home / "whole"
        if not whole.exists():
            for name, content in self.files:
                path = tree / name
                path.parent.mkdir(parents=True, exist_ok=True)
                # In one step: another worker may do the same, and a run may be importing it.
                partly = path.with_name(f".{path.name}.{os.getpid()}.tmp")
                partly.write_bytes(content)
                partly.replace(path)
            (tree / self.here).mkdir(parents=True, exist_ok=True)
            whole.touch()
        return tree


def _code_in(place: Path) -> Iterable[Path]:
    """The files of a package, or the module itself."""
    return [place] if place.is_file() else digests.files(place)


def _within(path: Path, root: Path) -> str:
    """Where a file or a folder goes in the tree."""
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    # What is imported from elsewhere keeps the folder from which it is imported.
    for number, entry in enumerate(sys.path):
        if entry and path.is_relative_to(Path(entry).resolve()):
            return (PurePath(".elsewhere") / str(number) / path.relative_to(Path(entry).resolve())).as_posix()
    return (PurePath(".elsewhere") / path.relative_to(path.anchor)).as_posix()
