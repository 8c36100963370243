"""What an exception leaves on a server: the fault, and the words of the event that failed (nova/compute/utils.py)."""

from __future__ import annotations

import traceback

from tuinova.core.drafts import FaultDraft
from tuinova.core.errors import NovaError


def message_of(error: BaseException) -> str:
    """The text of a fault: Nova's message, or only the class name of what is not Nova's."""
    return error.message if isinstance(error, NovaError) else type(error).__name__


def fault_of(error: BaseException, host: str | None = None) -> FaultDraft:
    """The fault that an exception leaves; the traceback is kept by the conductor with code 500 only."""
    code = error.code if isinstance(error, NovaError) else 500
    return FaultDraft(code=code, message=message_of(error), details=traceback_of(error), host=host)


def traceback_of(error: BaseException) -> str:
    """The traceback as text."""
    return "".join(traceback.format_exception(error))
