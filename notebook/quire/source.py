"""The text of the files that run, kept as it was when it was first asked for."""

import ast
import io
import linecache
import time
import token
import tokenize
from collections.abc import Iterator
from functools import cached_property
from importlib.util import decode_source
from pathlib import Path
from types import CodeType
from typing import Any

from quire import digests

Span = tuple[int, int, int, int]
"""First and last line (from 1), first and end column (in bytes of UTF-8), as `co_positions` has them."""

_began = time.time()
_sources: dict[str, "Source"] = {}


class Source:
    """The text of one file with its syntax tree.

    Attributes:
        path: the file's name in the code that was compiled from it.
        lines: its lines with their ends.
        sha256: the digest of the file, if it is one.
    """

    def __init__(self, path: str, text: str, sha256: str = "") -> None:
        self.path = path
        self.sha256 = sha256
        self.lines = io.StringIO(text).readlines()
        self._text = text

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node; iterating gives outer nodes before inner ones."""
        tree = ast.parse(self._text)
        return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def _at(self) -> dict[Span, list[ast.AST]]:
        found: dict[Span, list[ast.AST]] = {}
        for node in self.parents:
            if hasattr(node, "end_col_offset"):
                found.setdefault(span(node), []).append(node)
        return found

    @cached_property
    def _on_line(self) -> dict[int, list[ast.AST]]:
        found: dict[int, list[ast.AST]] = {}
        for where, nodes in self._at.items():
            found.setdefault(where[0], []).extend(nodes)
        return found

    def nodes_at(self, where: Span) -> list[ast.AST]:
        """The nodes that stand exactly at `where`, outer ones first."""
        return self._at.get(where, [])

    def nodes_on(self, line: int) -> list[ast.AST]:
        """The nodes that begin on `line`."""
        return self._on_line.get(line, [])

    def compiles_to(self, code: CodeType) -> bool:
        """Whether `code` was compiled from this very text."""
        try:
            module = compile(self._text, self.path, "exec", dont_inherit=True)
        except SyntaxError:
            return False
        wanted = _essence(code)
        return any(_essence(mine) == wanted for mine in _all_codes(module))

    def segment(self, where: Span) -> str:
        """The text at `where`; the lines after its first are dedented as that line is indented."""
        line, last_line, start, end = where
        picked = [text.encode() for text in self.lines[line - 1 : last_line]]
        picked[-1] = picked[-1][:end]
        picked[0] = picked[0][start:]
        return dedent("".join(text.decode() for text in picked), indentation(self.lines[line - 1]))

    def block(self, line: int, last_line: int, by: str) -> str:
        """The lines `line` to `last_line`, dedented by the white space `by`."""
        return dedent("".join(self.lines[line - 1 : last_line]), by).rstrip("\n")


def span(node: Any) -> Span:
    """Where a node of a syntax tree stands."""
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def indentation(line: str) -> str:
    """The white space with which `line` begins."""
    return line[: len(line) - len(line.lstrip())].rstrip("\r\n")


def dedent(text: str, by: str) -> str:
    """Takes the white space `by` off each line, but not off the inside of a string, which it would change."""
    lines = io.StringIO(text).readlines()
    kept = _lines_in_strings(text)
    return "".join(
        line if number in kept else line[_shared(line, by) :] for number, line in enumerate(lines, 1)
    )


def _shared(line: str, white: str) -> int:
    """How many characters of `white` the line begins with."""
    return next(
        (at for at, (mine, its) in enumerate(zip(line, white, strict=False)) if mine != its), len(white)
    )


def _lines_in_strings(text: str) -> set[int]:
    """The lines (from 1) that begin inside a string literal."""
    if '"""' not in text and "'''" not in text and "\\\n" not in text:
        return set()
    found: set[int] = set()
    opened: list[int] = []
    for kind, _, (first, _), (last, _), _ in _tokens(text):
        name = token.tok_name[kind]
        if name == "STRING":
            found.update(range(first + 1, last + 1))
        # From Python 3.12 on, an f-string is many tokens between these two.
        elif name.endswith("STRING_START"):
            opened.append(first)
        elif name.endswith("STRING_END"):
            found.update(range(opened.pop() + 1, last + 1))
    return found


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens of a part of a file, as far as they can be told."""
    try:
        yield from tokenize.generate_tokens(io.StringIO(text).readline)
    except (tokenize.TokenError, IndentationError):
        # A part may end where a statement does not; its strings have been seen by then.
        return


def _all_codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _all_codes(inner)


def _essence(code: CodeType) -> tuple[object, ...]:
    """What makes two compilations of a piece of code the same, whatever the interpreter did to them since."""
    constants = tuple(_essence(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts)
    return code.co_qualname, code.co_firstlineno, code.co_code, code.co_linetable, code.co_names, constants


def remember(path: str, content: bytes) -> "Source":
    """Keeps `content` as the text of the file that is compiled as `path`."""
    _sources[path] = source = Source(path, decode_source(content), digests.of_text(content))
    # Tracebacks and debuggers shall show what ran, too: an entry without a time is never checked.
    linecache.cache[path] = len(content), None, source.lines, path
    return source


def remembered() -> dict[str, Source]:
    """The files that were kept so far, by their names."""
    return dict(_sources)


def source_of(code: CodeType, names: dict[str, Any]) -> Source | None:
    """The text from which `code` was compiled, or None if it is not there any more.

    Args:
        code: what runs.
        names: the global names of its module, from which an import hook may know the text.
    """
    if code.co_filename in _sources:
        return _sources[code.co_filename]
    try:
        path = Path(code.co_filename)
        content, changed = path.read_bytes(), path.stat().st_mtime
    except OSError:
        text = "".join(linecache.getlines(code.co_filename, names))
        return Source(code.co_filename, text) if text else None
    # A file that was saved after this process began may not be what this process imported.
    if changed >= _began and not Source(code.co_filename, decode_source(content)).compiles_to(code):
        return None
    return remember(code.co_filename, content)
