"""What a run was made from: the author's code, as it was when it ran."""

import functools
import sys
from collections.abc import Iterator
from pathlib import Path

from quire import digests
from quire.events import Used
from quire.failures import is_foreign
from quire.provenance import Linker
from quire.source import remembered


def own_modules() -> dict[str, str]:
    """The modules that no package manager put there, nor are Quire's: the file of each, by its name."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and not is_foreign(file):
            found[name] = file
    return found


def used(linker: Linker) -> Iterator[Used]:
    """The author's code that was imported by now: sources, then libraries, each by name.

    A source is a file whose code was quoted, or run as a script, or that stands with such a one in its
    folder. All other code of the author's is a library: told by its package, with all that is in it.
    """
    sources = {path: source.sha256 for path, source in remembered().items() if not is_foreign(path)}
    folders = {Path(path).parent for path in sources}
    libraries: dict[Path, str] = {}
    for name, file in own_modules().items():
        if not folders.isdisjoint(Path(file).parents):
            sources.setdefault(file, _digest(Path(file)))
        else:
            place = package(name, Path(file))
            libraries[place] = _digest(place)
    for path, sha256 in sorted(sources.items()):
        yield Used(path=linker.place(path), sha256=sha256, kind="source")
    for place, sha256 in sorted(libraries.items()):
        yield Used(
            path=linker.place(str(place)) + "/" * place.is_dir(),
            sha256=sha256,
            kind="library",
        )


def of_data(path: Path, linker: Linker) -> Used:
    """A file, or a folder with all its files, from which a run is made.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    is_folder = path.is_dir()
    sha256 = digests.of_folder(path) if is_folder else digests.of_file(path)
    return Used(path=linker.place(str(path)) + "/" * is_folder, sha256=sha256, kind="data")


def digest(place: Path, kind: str) -> str:
    """What the `Used` of the file or folder at `place` would have as its digest now.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    if place.is_dir():
        return digests.of_folder(place, "*" if kind == "data" else "*.py")
    return digests.of_file(place)


@functools.cache
def _digest(place: Path) -> str:
    # Kept, so that a long process tells of its modules what they were when it first told of them.
    try:
        return digest(place, "library")
    except OSError:
        return ""


def package(name: str, file: Path) -> Path:
    """The folder of the outermost package in which the module `name` stands, or its file if in none."""
    depth = name.count(".") + (file.name == "__init__.py")
    return file.parents[depth - 1] if depth else file
