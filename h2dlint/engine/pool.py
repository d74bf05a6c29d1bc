"""Sharing the work of a run among processes.

Workers are forks: nothing is imported again, so a program that uses h2dlint needs no ``__main__`` guard, and what was
worked out before the fork is shared. Where a fork is not to be had (other threads run, or the system has none) the
work is done by the process itself, and so is what a worker that died leaves behind. Which process did what changes no
verdict: what is learnt of other modules does not depend on who asked.

A worker that has grown large hands over to a fresh one, which starts from what was there before the fork and goes on
where the work was left. It is not the process that asked which makes those, as that may have a thread by then, but one
that does nothing else.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")
Notes = TypeVar("Notes")

LEAST_BYTES = 1_500_000
"""Of source text; below that a second process costs more than it saves."""
LARGE = 210 * 1024 * 1024
"""Bytes in memory from which on a worker hands over."""
ROOM = 100 * 1024 * 1024
"""Bytes that each one may add in any case."""
HANDED_OVER = -1
"""In place of the number of a piece: the notes of a worker that goes before the work is done."""
_AGAIN = 77
"""The exit status of a worker that hands over."""
PIECES = 24
"""Work items for each worker: few, so that what one learns of a module serves its neighbours."""


def cores() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def can_fork() -> bool:
    """A fork is to be had, and does not take half of a program with threads along."""
    return hasattr(os, "fork") and sys.platform != "darwin" and threading.active_count() == 1


def pieces(sizes: Sequence[int], workers: int) -> list[range]:
    """Neighbouring items together, in pieces of like size.

    Args:
        sizes: of the items.
        workers: that are to share them.
    """
    limit = max(1, sum(sizes) // (workers * PIECES))
    found: list[range] = []
    start, weight = 0, 0
    for index, size in enumerate(sizes):
        weight += size
        if weight >= limit:
            found.append(range(start, index + 1))
            start, weight = index + 1, 0
    if start < len(sizes):
        found.append(range(start, len(sizes)))
    return found


def run(
    items: Sequence[Item],
    sizes: Sequence[int],
    work: Callable[[Item], Result],
    workers: int,
    done: Callable[[int], None],
    finish: Callable[[], Notes],
    take: Callable[[Notes], object] | None = None,
    came: Callable[[list[Result]], object] = len,
) -> tuple[list[Result], list[Notes]]:
    """``work`` for every item, by several processes; the results in the order of the items.

    Args:
        items: what is to be done.
        sizes: how much work each one is, roughly.
        work: done in a worker; what it returns is pickled.
        workers: how many.
        done: told of how many more items are done.
        finish: called by each worker at its end, and by this process.
        take: given what ``finish`` gave in each worker as it comes, so that nothing of it is held.
        came: given the results as they come, which may do something to each.

    Returns:
        The results, and what ``finish`` gave in each process unless it was taken.
    """
    todo = pieces(sizes, workers)
    results: dict[int, list[Result]] = {}
    notes: list[Notes] = []
    for number, found in _shared(items, todo, work, min(workers, len(todo)), finish, take or notes.append):
        came(found)
        results.setdefault(number, []).extend(found)
        done(len(found))
    for number, piece in enumerate(todo):
        known = results.setdefault(number, [])
        for index in piece[len(known) :]:
            known.append(work(items[index]))
            done(1)
    if take is None:
        notes.append(finish())
    return [result for number in range(len(todo)) for result in results[number]], notes


def _shared(
    items: Sequence[Item],
    todo: Sequence[range],
    work: Callable[[Item], Result],
    workers: int,
    finish: Callable[[], Notes],
    take: Callable[[Notes], object],
) -> Iterator[tuple[int, list[Result]]]:
    """Pieces with their results as they come in, some in parts; those of a worker that dies never do."""
    from multiprocessing.connection import wait

    waiting = list(range(len(todo)))
    # Large first would be fairer to the last one; neighbours share more.
    gc.collect()
    gc.freeze()
    crew: dict[Connection, int] = {}
    try:
        for _ in range(workers):
            try:
                link, process = _start(items, todo, work, list(crew), finish)
            except OSError:
                break
            crew[link] = process
        ends = {link: place for place, link in enumerate(crew)}
        for link in list(crew):
            _hand_out(link, waiting, ends[link] % 2)
        busy = set(crew)
        known = [0] * len(todo)
        while busy:
            for link in [one for one in crew if one in wait(list(busy))]:
                try:
                    number, found = link.recv()
                except (EOFError, OSError):
                    busy.discard(link)
                    continue
                if number == HANDED_OVER:
                    take(found)
                    continue
                if number is None:
                    take(found)
                    busy.discard(link)
                    continue
                known[number] += len(found)
                if known[number] < len(todo[number]):
                    _send(link, (number, known[number]))
                else:
                    _hand_out(link, waiting, ends[link] % 2)
                yield number, found
    finally:
        gc.unfreeze()
        for link, process in crew.items():
            link.close()
            _end(process)


def _hand_out(link: Connection, waiting: list[int], from_end: int) -> None:
    """Give a worker its next piece; workers begin at both ends, so that each stays among neighbours."""
    place = -1 if from_end else 0
    if _send(link, (waiting[place], 0) if waiting else None) and waiting:
        waiting.pop(place)


def _send(link: Connection, message: object) -> bool:
    try:
        link.send(message)
    except OSError:
        return False
    return True


def _start(
    items: Sequence[Item],
    todo: Sequence[range],
    work: Callable[[Item], Result],
    others: list[Connection],
    finish: Callable[[], Notes],
) -> tuple[Connection, int]:
    from multiprocessing import Pipe

    ours, theirs = Pipe()
    process = os.fork()
    if process:
        theirs.close()
        return ours, process
    status = 1
    try:
        for link in (ours, *others):
            link.close()
        _supervise(lambda: _serve(theirs, items, todo, work, finish))
        status = 0
    except BaseException:
        # The other side sees that nothing comes, and does the work itself.
        pass
    finally:
        # Neither what the fork has buffered nor what it has registered is to be done twice.
        os._exit(status)


def _supervise(serve: Callable[[], int]) -> None:
    """Fork workers, one after the other, until one is done; ends as the last one did."""
    import signal

    process = 0

    def end(number: int, frame: object) -> None:
        if process:
            os.kill(process, signal.SIGKILL)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    while True:
        process = os.fork()
        if not process:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            status = 1
            try:
                status = serve()
            except BaseException:
                pass
            finally:
                os._exit(status)
        status = os.waitpid(process, 0)[1]
        process = 0
        if not os.WIFEXITED(status) or os.WEXITSTATUS(status) != _AGAIN:
            os._exit(0 if status == 0 else 1)


def _serve(
    link: Connection,
    items: Sequence[Item],
    todo: Sequence[range],
    work: Callable[[Item], Result],
    finish: Callable[[], Notes],
) -> int:
    limit = max(LARGE, in_memory() + ROOM)
    while True:
        message = link.recv()
        if message is None:
            link.send((None, finish()))
            return 0
        number, start = message
        found: list[Result] = []
        large = False
        for index in todo[number][start:]:
            found.append(work(items[index]))
            large = in_memory() >= limit
            if large:
                break
        if large:
            link.send((HANDED_OVER, finish()))
        link.send((number, found))
        if large:
            # What comes next, be it the rest of this piece, is read by the one that takes over.
            return _AGAIN


def in_memory() -> int:
    """Bytes of this process that are in memory; 0 where that cannot be told."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def apart(work: Callable[[], Result]) -> Result | None:
    """Have something done by a process of its own, whose memory goes with it.

    Returns:
        What it gave, which is pickled; ``None`` where it came to nothing.
    """
    found: list[list[Result]] = [
        results
        for _, results in _shared([0], [range(1)], lambda item: work(), 1, lambda: None, lambda note: None)
    ]
    return found[0][0] if found else None


def _end(process: int) -> None:
    import signal
    from contextlib import suppress

    with suppress(OSError):
        if os.waitpid(process, os.WNOHANG) == (0, 0):
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)
