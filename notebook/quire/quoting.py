"""Finds, from a running frame, exactly the code that a block is about to run."""

import ast
import functools
import inspect
import io
import sys
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from quire.source import Source, Span, indentation, source_of, span

# As `co_positions` has them: without columns under `-X no_debug_ranges`.
_Position = tuple[int | None, int | None, int | None, int | None]
_With = (ast.With, ast.AsyncWith)
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)

# By identity: a code object's hash walks over all of it. The code is kept so that its id stays its own.
_positions: dict[int, tuple[CodeType, list[_Position]]] = {}
# What `with` statements quote, since those in loops are entered again and again.
_bodies: dict[tuple[int, _Position, int, _Position], "Quote"] = {}


@dataclass(frozen=True, slots=True)
class Quote:
    """Code as it is to be shown, with its file and lines; `note` says so if it could not be found."""

    source: str
    path: str
    line: int
    last_line: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame stands at the moment: the code it runs, its names, and the position in its file."""

    code: CodeType
    names: dict[str, Any]
    position: _Position

    @classmethod
    def of(cls, frame: FrameType) -> "Place":
        """Where `frame` stands now."""
        code = frame.f_code
        if id(code) not in _positions:
            _positions[id(code)] = code, list(code.co_positions())
        return cls(code, frame.f_globals, _positions[id(code)][1][frame.f_lasti // 2])

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.position[0] or self.code.co_firstlineno

    @property
    def span(self) -> Span | None:
        """The exact span, if the interpreter keeps columns."""
        line, last_line, start, end = self.position
        if line is None or last_line is None or start is None or end is None:
            return None
        return line, last_line, start, end

    def nodes(self, source: Source) -> list[ast.AST]:
        """The nodes that stand here; without columns, all that begin on this line."""
        return source.nodes_on(self.line) if self.span is None else source.nodes_at(self.span)


def quote_with(called: Place, entered: Place) -> Quote:
    """The body of the `with` statement at `entered`, whose manager was made at `called`.

    Managers that stand after ours in the same statement are quoted with it: they run inside the block.
    """
    at = (id(called.code), called.position, id(entered.code), entered.position)
    if at not in _bodies:
        _bodies[at] = _quote_with(called, entered)
    return _bodies[at]


def _quote_with(called: Place, entered: Place) -> Quote:
    source = source_of(entered.code, entered.names)
    if source is None:
        return _not_found(entered)
    for node in entered.nodes(source):
        # Up to Python 3.12 the position is that of the whole statement, from 3.13 on that of our item.
        item = source.parents.get(node)
        statement = source.parents.get(item) if isinstance(item, ast.withitem) else node
        if isinstance(statement, _With):
            ours = item if isinstance(item, ast.withitem) else _item_of(statement, called)
            return _quote_body(
                source, statement, statement.items.index(ours) + 1 if ours else len(statement.items)
            )
    return _not_found(entered)


def quote_call(called: Place, function: Callable[[], object]) -> Quote:
    """The code that `log.code(function)` or `@log.code` at `called` runs."""
    source = source_of(called.code, called.names)
    if source is None:
        return _not_found(called)
    nodes = called.nodes(source)
    for node in nodes:
        decorated = source.parents.get(node)
        if isinstance(decorated, _Function) and node in decorated.decorator_list:
            return _quote_function(source, decorated, after=node)
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args]
    lambdas = [call.args[0] for call in calls if isinstance(call.args[0], ast.Lambda)]
    if len(lambdas) == 1:
        return _quote_lambda(source, lambdas[0])
    defined = _definition(source, function)
    if defined is not None:
        return (
            _quote_lambda(source, defined)
            if isinstance(defined, ast.Lambda)
            else _quote_function(source, defined)
        )
    if len(calls) == 1:
        # Somebody else's function: the call is the author's code, its body is not.
        where = span(calls[0].args[0])
        return Quote(f"{source.segment(where)}()", source.path, where[0], where[1])
    return _quote_statement(source, called.line)


def _item_of(statement: ast.With | ast.AsyncWith, called: Place) -> ast.withitem | None:
    """The item of `statement` that made our manager, if the call stands in it."""
    if called.span:
        return next((item for item in statement.items if span(item.context_expr) == called.span), None)
    near = [
        item
        for item in statement.items
        if item.context_expr.lineno == called.line and _is_ours(item.context_expr)
    ]
    return near[0] if len(near) == 1 else None


def _is_ours(node: ast.expr) -> bool:
    """Whether this looks like `log.code()`, for want of a better sign."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "code"


def _quote_body(source: Source, statement: ast.With | ast.AsyncWith, inner: int) -> Quote:
    """The body of `statement`, under those of its managers from number `inner` on."""
    first, last = statement.body[0], statement.body[-1]
    managers = statement.items[inner:]
    outer = indentation(source.lines[statement.lineno - 1])
    line, last_line, start, _ = span(first)[0], span(last)[1], first.col_offset, 0
    if source.lines[line - 1].encode()[:start].strip():
        body = source.segment((line, last_line, start, last.end_col_offset or 0))
        text = f" {body}" if managers else body
    else:
        line, last_line = _with_comments(source, first, last)
        indent = indentation(source.lines[first.lineno - 1])
        body = source.block(line, last_line, by=outer if managers else indent)
        text = f"\n{body}" if managers else body
    if not managers:
        return Quote(text, source.path, line, last_line)
    header = "async with " if isinstance(statement, ast.AsyncWith) else "with "
    header += ", ".join(_item_text(source, item) for item in managers)
    return Quote(f"{header}:{text}", source.path, managers[0].context_expr.lineno, last_line)


def _item_text(source: Source, item: ast.withitem) -> str:
    text = source.segment(span(item.context_expr))
    return text if item.optional_vars is None else f"{text} as {source.segment(span(item.optional_vars))}"


def _with_comments(source: Source, first: ast.stmt, last: ast.stmt) -> tuple[int, int]:
    """The lines of a suite, with the comments before its first and after its last statement."""
    line, last_line = _first_line(first), last.end_lineno or last.lineno
    indent = indentation(source.lines[line - 1])
    while _is_blank_or_comment(source.lines[line - 2]):
        line -= 1
    end = last_line
    while end < len(source.lines) and _is_blank_or_comment(source.lines[end], indent):
        end += 1
        # Blank lines count only if a comment of the suite follows.
        last_line = end if source.lines[end - 1].strip() else last_line
    while not source.lines[line - 1].strip():
        line += 1
    return line, last_line


def _is_blank_or_comment(line: str, indent: str = "") -> bool:
    return not line.strip() or (line.startswith(indent) and line.lstrip().startswith("#"))


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _quote_function(
    source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef, after: ast.AST | None = None
) -> Quote:
    """The definition of a function, without its decorators up to and including `after`."""
    line = _first_line(node)
    if isinstance(after, ast.expr):
        line = (after.end_lineno or after.lineno) + 1
    elif node.decorator_list:
        line = min(decorator.lineno for decorator in node.decorator_list)
    last_line = node.end_lineno or node.lineno
    # A body on the line of its `def` has no comments of its own after it.
    if node.body[0].lineno > node.lineno:
        last_line = max(last_line, _with_comments(source, node.body[0], node.body[-1])[1])
    indent = indentation(source.lines[node.lineno - 1])
    return Quote(source.block(line, last_line, by=indent), source.path, line, last_line)


def _quote_lambda(source: Source, node: ast.Lambda) -> Quote:
    """The body of a lambda, with the parentheses around it if it has any."""
    whole = source.segment(span(node))
    body = whole[_after_colon(whole) :].strip()
    return Quote(body, source.path, node.body.lineno, node.end_lineno or node.lineno)


def _after_colon(text: str) -> int:
    """Where the body of the lambda `text` begins: after the colon that is its own."""
    lines = io.StringIO(text).readlines()
    depth = lambdas = 0
    for _, string, _, (line, column), _ in tokenize.generate_tokens(io.StringIO(f"({text})").readline):
        depth += (string in "([{" and string != "") - (string in ")]}" and string != "")
        if depth == 1:
            lambdas += (string == "lambda") - (string == ":")
            if string == ":" and lambdas == 0:
                # The parenthesis that we put in front lets the text run over lines.
                return sum(map(len, lines[: line - 1])) + column - (line == 1)
    raise AssertionError(f"not a lambda: {text}")


def _definition(
    source: Source, function: Callable[[], object]
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    """Where `function` is defined in `source`, if it is."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not isinstance(code, CodeType) or code.co_filename != source.path:
        return None
    inside = {position for position in code.co_positions() if None not in position}
    candidates = []
    for node in source.parents:
        if isinstance(node, ast.Lambda):
            if code.co_name == "<lambda>" and node.lineno == code.co_firstlineno:
                candidates.append(node)
        elif (
            isinstance(node, _Function)
            and node.name == code.co_name
            and _first_line(node) == code.co_firstlineno
        ):
            return node
    exact = [node for node in candidates if span(node.body) in inside] or candidates
    return exact[0] if len(exact) == 1 else None


def _quote_statement(source: Source, line: int) -> Quote:
    """The whole statement on `line`: more than ran, but nothing else."""
    statements = [node for node in source.nodes_on(line) if isinstance(node, ast.stmt)]
    if not statements:
        return Quote("", source.path, line, line, note="its source could not be found")
    first, last_line, _, _ = span(statements[0])
    return Quote(
        source.block(first, last_line, by=indentation(source.lines[first - 1])), source.path, first, last_line
    )


def _not_found(place: Place) -> Quote:
    name = place.code.co_filename
    if name.startswith("<"):
        return Quote("", "", 0, 0, note="its source is not kept anywhere")
    return Quote("", name, place.line, place.line, note="its file was changed after it had been imported")


def caller() -> FrameType:
    """The frame that called the method from which this is called."""
    return sys._getframe(2)
