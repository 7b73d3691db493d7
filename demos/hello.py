"""The smallest useful report."""

from quire import NotebookOutput


def hello(log: NotebookOutput, count: int = 10) -> None:
    """Sums a few numbers.

    Args:
        count: how many numbers to sum.
    """
    log.h1("Hello")
    log.p("A report is a function. This is the code that ran:")
    with log.code():
        numbers = range(1, count + 1)
        print("summing", *numbers)
    total = log.code(lambda: sum(numbers))
    log.p(f"The sum of the first {count} numbers is **{total}**, as the formula says:")
    log.math(r"\sum_{i=1}^{n} i = \frac{n (n + 1)}{2}")
    log.table([{"n": n, "sum": sum(range(n + 1))} for n in (1, 10, 100)])
