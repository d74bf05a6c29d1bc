"""A real browser for tests: a small WebDriver client over the standard library."""

from __future__ import annotations

import base64
import http.client
import json
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_STARTED = re.compile(r"started successfully on port (\d+)")
_PATIENCE = 120.0
"""Seconds; generous, since this bounds a hang and measures nothing."""


def missing() -> str:
    """Why there is no browser to test with; empty if there is one."""
    if not any(map(shutil.which, BROWSERS)):
        return f"no browser: none of {', '.join(BROWSERS)}"
    return "" if shutil.which("chromedriver") else "no chromedriver"


class Browser:
    """A headless browser with one window.

    Args:
        profile: an empty folder for what the browser writes.
        size: of the window, width and height in CSS pixels.

    Raises:
        RuntimeError: the driver did not start, or refused a command; the message is the driver's.
    """

    def __init__(self, profile: Path, size: tuple[int, int] = (1280, 900)) -> None:
        driver = shutil.which("chromedriver")
        assert driver, missing()
        self._driver = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._session = ""
        self._reader: threading.Thread | None = None
        try:
            self._port = self._wait_for_port()
            binary = next(filter(None, map(shutil.which, BROWSERS)))
            arguments = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
            options = {"binary": binary, "args": arguments}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{answer['sessionId']}"
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and its driver."""
        try:
            if self._session:
                self._call("DELETE", self._session)
        except (OSError, RuntimeError, http.client.HTTPException):
            pass
        finally:
            self._driver.terminate()
            try:
                self._driver.wait(20)
            except subprocess.TimeoutExpired:
                self._driver.kill()
                self._driver.wait()
            if self._reader:
                self._reader.join()
            if self._driver.stdout:
                self._driver.stdout.close()

    def open(self, page: Path) -> None:
        """Load a file, and wait until it says that it is drawn."""
        self._post("/url", {"url": page.as_uri()})
        self.wait("return document.documentElement.dataset.ready === 'yes'")

    def run(self, script: str, *arguments: Any) -> Any:
        """The result of a function body; ``arguments[0]`` and so on are the arguments."""
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, *arguments: Any) -> Any:
        """Run a function body in every frame until it gives something true."""
        body = (
            "const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);"
            "const probe = function () {" + script + "};"
            "const step = () => { const value = probe.apply(null, given);"
            " if (value) done(value); else requestAnimationFrame(step); }; step();"
        )
        return self._post("/execute/async", {"script": body, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click the first element that matches, as a user would: it has to be visible."""
        element = self._post("/element", {"using": "css selector", "value": selector})
        self._post(f"/element/{element[ELEMENT]}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Type into an element."""
        element = self._post("/element", {"using": "css selector", "value": selector})
        self._post(f"/element/{element[ELEMENT]}/value", {"text": text})

    def point(self, *steps: dict[str, Any]) -> None:
        """Move, press and release the mouse; the steps are WebDriver's pointer actions."""
        mouse = {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": list(steps),
        }
        self._post("/actions", {"actions": [mouse]})

    def wheel(self, x: int, y: int, delta: int) -> None:
        """Turn the wheel over a point of the window; positive is towards the user."""
        step = {"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": delta, "duration": 0}
        self._post("/actions", {"actions": [{"type": "wheel", "id": "wheel", "actions": [step]}]})

    def key(self, text: str) -> None:
        """Press and release one key, where the focus is."""
        steps = [{"type": "keyDown", "value": text}, {"type": "keyUp", "value": text}]
        self._post("/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def media(self, **features: str) -> None:
        """Emulate media: ``media(type="print")``, ``media(prefers_color_scheme="dark")``."""
        kind = features.pop("type", "")
        pairs = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.devtools("Emulation.setEmulatedMedia", {"media": kind, "features": pairs})

    def resize(self, width: int, height: int) -> None:
        """Change the size of the page, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", size)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write what the window shows, or the whole page, as PNG."""
        shot = self.devtools("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(shot["data"]))

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """A command of the DevTools protocol."""
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def messages(self) -> list[str]:
        """What the console has said since the last call, warnings and errors only."""
        entries: Sequence[dict[str, Any]] = self._post("/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def _wait_for_port(self) -> int:
        output = self._driver.stdout
        assert output
        found: queue.Queue[int | None] = queue.Queue()

        def read() -> None:
            # To the end, also after the port: a full pipe would stop the driver.
            for line in output:
                match = _STARTED.search(line)
                if match:
                    found.put(int(match[1]))
            found.put(None)

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        try:
            port = found.get(timeout=_PATIENCE)
        except queue.Empty:
            port = None
        if port is None:
            raise RuntimeError("chromedriver did not start")
        return port

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", self._session + path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        # Straight to this machine: urllib would ask a proxy.
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            value = json.loads(response.read())["value"]
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path.rpartition('/')[2]}: {value['error']}: {value['message']}")
        return value
