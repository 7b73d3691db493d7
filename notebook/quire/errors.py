"""What can go wrong that is not the author's own code.

QuireError
├── ReportError      (OSError)     the report cannot be written
│   └── ReportInUse                another run is writing it
├── DemoError        (TypeError)   the script holds no function that can be run
├── ParameterError   (ValueError)  a parameter of the function cannot be given as asked
├── ControlError     (ValueError)  a viewer gave a control a value that is none for it
└── ServeError       (OSError)     the live page cannot be served
"""


class QuireError(Exception):
    """The base of every error that Quire itself raises."""


class ReportError(QuireError, OSError):
    """The report cannot be written: its folder, its disk or its name does not allow it."""


class ReportInUse(ReportError):  # noqa: N818 - reads as what is the case, like FileExistsError
    """Another run is writing this report; the message names its process."""


class DemoError(QuireError, TypeError):
    """The script has no function, or no single one, that takes a `NotebookOutput`."""


class ParameterError(QuireError, ValueError):
    """A parameter has a type that the command line cannot read, or a value outside its range."""


class ControlError(QuireError, ValueError):
    """A value that a viewer gave is none for the control, the field or the page that it was given to.

    Attributes:
        field: the name of the field.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ServeError(QuireError, OSError):
    """The live page cannot be served: its port is in use, or an address needs a token."""
