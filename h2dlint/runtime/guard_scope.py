"""Where a block of code holds: on its thread or in its asyncio task, and around functions of every kind."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S", bound="Scope")

_ENTERED: ContextVar[tuple[Scope, ...]] = ContextVar("h2dlint_entered", default=())
"""The scopes of this context. A task starts with those of the code that made it, and keeps its own to itself."""

_SERIALS = count(1)


class _Threads(threading.local):
    """The scopes that this thread entered outside of any task; they hold for whatever it runs."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []


_THREAD = _Threads()


class Scope:
    """One time that a block was entered, on the thread that makes it.

    Entered in an asyncio task, it holds for that task and for those that it starts, on this thread; the other tasks
    that run while it waits are not under it. Entered elsewhere, it holds for all that the thread does until it is left.

    Args:
        owner: what is entered by ``with``; it may be entered again, and by several threads at once.
    """

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.serial = next(_SERIALS)
        """Order of entering: the later one is the inner one."""
        self.thread = threading.get_ident()
        self.open = True
        self._in_task = _in_task()
        if self._in_task:
            _ENTERED.set((*_ENTERED.get(), self))
        else:
            _THREAD.scopes.append(self)

    def covers_here(self) -> bool:
        """Whether the code that runs now, on the thread that asks, is under it."""
        if not self.open or self.thread != threading.get_ident():
            return False
        return not self._in_task or self in _ENTERED.get()

    def leave(self) -> None:
        """End it, wherever that is said: a generator may be closed by another thread or task."""
        self.open = False
        if self._in_task:
            _ENTERED.set(tuple(scope for scope in _ENTERED.get() if scope.open))
        elif self.thread == threading.get_ident():
            _THREAD.scopes[:] = [scope for scope in _THREAD.scopes if scope.open]


def scopes_here(kind: type[S]) -> list[S]:
    """The open scopes of a kind that the code running now is under, in the order in which they were entered."""
    found = [
        scope
        for scope in (*_THREAD.scopes, *_ENTERED.get())
        if isinstance(scope, kind) and scope.covers_here()
    ]
    return sorted(found, key=lambda scope: scope.serial)


def _in_task() -> bool:
    # A program that has not imported asyncio runs no task of it.
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        return asyncio.current_task() is not None
    except RuntimeError:  # no loop runs on this thread
        return False


class Block(Generic[S]):
    """A context manager and decorator that may be entered again while it is entered, also by other threads and tasks.

    A decorated coroutine is under the block from its first step to its last, a generator in each of its steps and not
    while its consumer runs: each step is a block of its own.
    """

    def __init__(self) -> None:
        self._open: list[S] = []
        self._lock = threading.Lock()

    def _enter(self) -> S:
        raise NotImplementedError

    def _leave(self, scope: S, error: BaseException | None) -> None:
        raise NotImplementedError

    def __enter__(self) -> S:
        scope = self._enter()
        with self._lock:
            self._open.append(scope)
        return scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self._leave(self._last(), error)

    def _last(self) -> S:
        """Take away the scope that is being left: the last one entered here, as ``with`` blocks nest."""
        with self._lock:
            here = [scope for scope in self._open if scope.covers_here()]
            # None is here where a generator is closed by another thread or task than the one that ran it.
            last = max(here or self._open, key=lambda scope: scope.serial)
            self._open.remove(last)
        return last

    def __call__(self, function: F) -> F:
        """Decorate a function, coroutine function, generator or asynchronous generator.

        Raises:
            TypeError: it is a class, or none of these.
        """
        return cast(F, _wrapped(self, function))


def _wrapped(block: Block[Any], function: Any) -> Any:
    name = type(block).__name__
    if isinstance(function, type):
        raise TypeError(f"{name} decorates functions; decorate the methods of {function.__name__}")
    if isinstance(function, (staticmethod, classmethod)):
        raise TypeError(f"{name} goes below @{type(function).__name__}")
    if not callable(function):
        raise TypeError(f"{name} decorates functions, not {function!r}")
    if inspect.iscoroutinefunction(function):
        wrapper = _of_coroutine(block, function)
    elif inspect.isgeneratorfunction(function):
        wrapper = _of_generator(block, function)
    elif inspect.isasyncgenfunction(function):
        wrapper = _of_async_generator(block, function)
    else:
        wrapper = _of_function(block, function)
    return functools.update_wrapper(wrapper, function)


def _of_function(block: Block[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with block:
            return function(*args, **kwargs)

    return wrapper


def _of_coroutine(block: Block[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        with block:
            return await function(*args, **kwargs)

    return wrapper


def _of_generator(block: Block[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        generator = function(*args, **kwargs)
        resume = functools.partial(next, generator)
        over = False
        try:
            while True:
                with block:
                    try:
                        item = resume()
                    except StopIteration as stop:
                        item, over = stop.value, True
                if over:
                    return item
                try:
                    resume = functools.partial(generator.send, (yield item))
                except GeneratorExit:
                    with block:
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)
        finally:
            generator.close()

    return wrapper


def _of_async_generator(block: Block[Any], function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        generator = function(*args, **kwargs)
        resume = generator.__anext__
        over = False
        item = None
        try:
            while True:
                with block:
                    try:
                        item = await resume()
                    except StopAsyncIteration:
                        over = True
                if over:
                    return
                try:
                    resume = functools.partial(generator.asend, (yield item))
                except GeneratorExit:
                    with block:
                        await generator.aclose()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.athrow, error)
        finally:
            await generator.aclose()

    return wrapper
