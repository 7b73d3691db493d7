"""The server's way to the run: requests on behalf of viewers, each with its answer."""

import asyncio
import contextlib
import itertools
import json
from typing import Any

from quire.live.channel import Message

# How long the run may take to answer, in seconds.
_PATIENCE = 10.0
_LONGEST = 64 << 20


class Unanswered(Exception):  # noqa: N818 - what happened to a request
    """The run did not answer, or refused; `told` has the HTTP status and the reason."""

    def __init__(self, told: Message) -> None:
        super().__init__(told["error"])
        self.told = told


class Asking:
    """Asks the run that listens at `path`; connects when it must, and again when it can."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._connecting = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, **request: Any) -> Message:
        """The run's answer.

        Raises:
            Unanswered: there is none in time, or it is a refusal.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._send({"id": number, **request})
            async with asyncio.timeout(_PATIENCE):
                told = await answer
        except TimeoutError:
            with contextlib.suppress(Unanswered):
                await self._send({"id": number, "do": "cancel"})
            raise Unanswered(
                {
                    "status": 504,
                    "error": "the run did not answer in time: it comes to no pause point, or is at work",
                }
            ) from None
        finally:
            self._answers.pop(number, None)
        if "status" in told:
            raise Unanswered(told)
        return told

    async def _send(self, message: Message) -> None:
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                await self._connect()
            assert self._writer
            self._writer.write(f"{json.dumps(message)}\n".encode())
        with contextlib.suppress(OSError):
            await self._writer.drain()

    async def _connect(self) -> None:
        try:
            reader, self._writer = await asyncio.open_unix_connection(self._path, limit=_LONGEST)
        except OSError:
            raise Unanswered({"status": 503, "error": "the run has ended"}) from None
        self._reading = asyncio.create_task(self._read(reader, self._writer))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                told = json.loads(line)
                answer = self._answers.get(told.pop("id"))
                if answer and not answer.done():
                    answer.set_result(told)
        writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result({"status": 503, "error": "the run has ended"})
