"""SHA-256 of what files hold, the same wherever they are checked out."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

# Git may have other ends of lines in these on another system.
_TEXTS = {".csv", ".json", ".md", ".py", ".svg", ".toml", ".tsv", ".txt", ".yaml", ".yml"}


def of_text(content: bytes) -> str:
    """The digest of a text, whatever ends its lines have."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def of_file(path: Path) -> str:
    """The digest of a file; of a text, whatever ends its lines have.

    Raises:
        OSError: it cannot be read.
    """
    if path.suffix.lower() in _TEXTS:
        return of_text(path.read_bytes())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_folder(folder: Path, pattern: str = "*") -> str:
    """The digest of the files below a folder that match `pattern`, with their names, but for hidden ones.

    Raises:
        OSError: one cannot be read.
    """
    total = hashlib.sha256()
    for path in files(folder, pattern):
        total.update(f"{path.relative_to(folder).as_posix()}\0{of_file(path)}\n".encode())
    return total.hexdigest()


def files(folder: Path, pattern: str = "*") -> Iterator[Path]:
    """The files below a folder that match `pattern`, in order; neither hidden ones nor compiled code."""
    for path in sorted(folder.rglob(pattern)):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside):
            yield path
