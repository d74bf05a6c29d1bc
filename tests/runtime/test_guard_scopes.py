"""Where a guard and ``allow`` hold: threads, asyncio tasks, coroutines and generators."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator

import pytest

from h2dlint.runtime import BlockingCopyError, allow, no_blocking_h2d

from .fake_cuda import cuda, installed


@pytest.fixture(autouse=True)
def faked() -> Iterator[None]:
    with installed():
        yield


def upload() -> None:
    cuda.copy()


def run_threads(*targets: Callable[[], None]) -> list[BaseException]:
    """Run them at once, and give what they raised."""
    raised: list[BaseException] = []

    def guarded(target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:
            raised.append(error)

    threads = [
        threading.Thread(target=guarded, args=(target,), name=f"worker-{number}")
        for number, target in enumerate(targets)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    return raised


def test_other_threads_do_not_count_unless_asked_for() -> None:
    with no_blocking_h2d():
        assert run_threads(upload) == []
    with pytest.raises(BlockingCopyError, match="on worker-0") as caught, no_blocking_h2d(threads="all"):
        assert run_threads(upload, upload) == []
    (line,) = caught.value.lines
    assert (line.count, sorted(line.threads)) == (2, ["worker-0", "worker-1"])


def test_one_guard_in_several_threads_gives_each_its_own() -> None:
    shared = no_blocking_h2d()
    together = threading.Barrier(3)

    def work(copies: int) -> Callable[[], None]:
        def target() -> None:
            with shared:
                together.wait(timeout=30)
                for _ in range(copies):
                    upload()
                together.wait(timeout=30)

        return target

    raised = run_threads(work(0), work(1), work(3))
    counts = sorted(error.lines[0].count for error in raised if isinstance(error, BlockingCopyError))
    assert (len(raised), counts) == (2, [1, 3])
    assert cuda.sink is None


def test_allow_is_for_its_own_thread() -> None:
    with pytest.raises(BlockingCopyError), no_blocking_h2d(threads="all"), allow("this thread"):
        run_threads(upload)

    def allowed() -> None:
        with allow("that thread"):
            upload()

    with no_blocking_h2d(threads="all") as watch:
        run_threads(allowed)
    assert [line.reason for line in watch.allowed] == ["that thread"]


def test_a_thread_that_runs_no_python_is_named() -> None:
    thread = threading.Thread(target=cuda.copy_without_python, name="backward")
    where = r"at a thread that runs no Python \(backward\)"
    with pytest.raises(BlockingCopyError, match=where), no_blocking_h2d(threads="all"):
        thread.start()
        thread.join()


def test_tasks_that_run_meanwhile_are_not_under_it() -> None:
    async def other() -> None:
        await asyncio.sleep(0)
        upload()

    async def guarded() -> None:
        with no_blocking_h2d():
            for _ in range(5):
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(other(), guarded())

    asyncio.run(main())


def test_tasks_that_it_starts_are_under_it() -> None:
    async def child() -> None:
        await asyncio.sleep(0)
        upload()

    async def main() -> None:
        with no_blocking_h2d():
            await asyncio.gather(child(), child())

    with pytest.raises(BlockingCopyError) as caught:
        asyncio.run(main())
    assert caught.value.lines[0].count == 2


def test_a_guard_around_the_loop_is_around_its_tasks() -> None:
    async def main() -> None:
        with allow("in a task"):
            upload()
        await asyncio.create_task(asyncio.sleep(0))
        upload()

    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d():
        asyncio.run(main())
    assert caught.value.lines[0].count == 1


def test_allow_in_one_task_is_not_for_another() -> None:
    async def other() -> None:
        await asyncio.sleep(0)
        upload()

    async def allowing() -> None:
        with allow("mine"):
            for _ in range(5):
                await asyncio.sleep(0)
            upload()

    async def main() -> None:
        await asyncio.gather(allowing(), other())

    with pytest.raises(BlockingCopyError) as caught, no_blocking_h2d() as watch:
        asyncio.run(main())
    assert (caught.value.lines[0].count, len(watch.allowed)) == (1, 1)


def test_a_coroutine_is_guarded_to_its_end() -> None:
    @no_blocking_h2d()
    async def work(copies: bool) -> int:
        await asyncio.sleep(0)
        if copies:
            upload()
        return 3

    assert inspect.iscoroutinefunction(work)
    assert asyncio.run(work(False)) == 3
    with pytest.raises(BlockingCopyError):
        asyncio.run(work(True))


def test_a_generator_is_guarded_in_its_steps_and_not_between() -> None:
    closed = []

    @no_blocking_h2d()
    def steps() -> Generator[int, object, int]:
        try:
            got = yield 1
            assert got == "sent"
            try:
                yield 2
            except KeyError:
                yield 3
            upload()
            yield 4
            return 0
        finally:
            closed.append(True)

    generator = steps()
    assert next(generator) == 1
    upload()  # the consumer's own
    assert generator.send("sent") == 2
    assert generator.throw(KeyError()) == 3
    with pytest.raises(BlockingCopyError):
        next(generator)
    assert closed == [True]


def test_a_generator_returns_and_ends_as_before() -> None:
    @allow("each step")
    def steps() -> Generator[int, object, int]:
        upload()
        yield 1
        upload()
        return 7

    def outer() -> Generator[int, object, int]:
        result = yield from steps()
        yield result
        return 0

    with no_blocking_h2d() as watch:
        assert list(outer()) == [1, 7]
    assert sum(line.count for line in watch.allowed) == 2


def test_closing_a_generator_is_guarded_too() -> None:
    @no_blocking_h2d()
    def steps() -> Generator[int, object, int]:
        try:
            yield 1
            return 0
        finally:
            upload()

    generator = steps()
    next(generator)
    with pytest.raises(BlockingCopyError):
        generator.close()


def test_an_asynchronous_generator() -> None:
    @no_blocking_h2d()
    async def steps() -> AsyncGenerator[int, object]:
        for number in range(3):
            await asyncio.sleep(0)
            if number == 2:
                upload()
            yield number

    seen = []

    async def main() -> None:
        async for number in steps():
            seen.append(number)
            upload()

    with pytest.raises(BlockingCopyError):
        asyncio.run(main())
    assert seen == [0, 1]


def test_an_asynchronous_generator_is_sent_to_and_closed() -> None:
    told: list[object] = []

    @allow("each step")
    async def steps() -> AsyncGenerator[int, object]:
        try:
            told.append((yield 1))
            try:
                yield 2
            except KeyError:
                told.append("thrown")
            yield 3
        finally:
            told.append("closed")

    async def main() -> None:
        generator = steps()
        assert await generator.asend(None) == 1
        assert await generator.asend("sent") == 2
        assert await generator.athrow(KeyError()) == 3
        await generator.aclose()

    asyncio.run(main())
    assert told == ["sent", "thrown", "closed"]


def test_a_guard_left_by_another_thread_is_closed() -> None:
    def held() -> Generator[None, None, None]:
        with no_blocking_h2d():
            yield

    generator = held()
    run_threads(lambda: next(generator))
    generator.close()
    assert cuda.sink is None


def test_methods_and_their_names_stay() -> None:
    class Engine:
        @no_blocking_h2d()
        def step(self, number: int) -> int:
            """What it does."""
            return number + 1

        @staticmethod
        @allow("static")
        def load() -> None:
            upload()

    assert Engine().step(2) == 3
    assert (Engine.step.__name__, Engine.step.__doc__) == ("step", "What it does.")
    with no_blocking_h2d() as watch:
        Engine.load()
    assert len(watch.allowed) == 1


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (type("Engine", (), {}), "decorate the methods of Engine"),
        (staticmethod(upload), "goes below @staticmethod"),
        (3, "not 3"),
    ],
)
def test_what_cannot_be_decorated(target: object, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        no_blocking_h2d()(target)  # type: ignore[type-var]
