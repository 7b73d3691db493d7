"""The document that tells what a benchmark found."""

from pathlib import Path


def tell(found: str, benchmark: str, document: Path | None, part: str = "") -> None:
    """Prints what a benchmark or a part of it found, and writes it between its marks in a document, if given.

    Raises:
        SystemExit: the document has no such marks.
    """
    print(found)
    if document is None:
        return
    name = f"tests/bench/{benchmark}.py{part and ', '}{part}"
    begin, end = (f"<!-- {edge} of {name} -->" for edge in ("begin", "end"))
    text = document.read_text()
    if not 0 <= text.find(begin) < text.find(end):
        raise SystemExit(f"{document} has no lines {begin} and {end}, between which this would stand")
    head, tail = text.partition(begin)[0], text.partition(end)[2]
    document.write_text(f"{head}{begin}\n\n{found}\n{end}{tail}")
