# SPDX-License-Identifier: MIT
"""A headless Chromium, as the tests of the page need it."""

import contextlib
import shutil
import tempfile
import time

CHROMIUM, DRIVER = "chromium", "/usr/bin/chromedriver"
# No network but the page's own, nothing that outlives the test.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")


def missing():
    """Why there is no browser here; None when there is."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "python3-selenium is not installed"
    return None if shutil.which(CHROMIUM) and shutil.which(DRIVER) else "chromium and chromium-driver are not installed"


class Browser:
    """browser.driver is selenium's."""

    def __init__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service
        self._stack = contextlib.ExitStack()
        profile = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mirror-observer-browser."))
        options = Options()
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        self._stack.callback(self.driver.quit)

    def view(self, width=1280, height=900, dark=False):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})

    def open(self, url, until=None, timeout=10):
        """Loads the page; waits until the script's expression is true."""
        self.driver.get("about:blank")
        self.messages()  # those of the page before, whose server may have ended
        self.driver.get(url)
        if until:
            self.until(until, timeout)

    def until(self, expression, timeout=10):
        end = time.monotonic() + timeout
        while not self.run(f"return !!({expression})"):
            if time.monotonic() > end:
                shown = self.run("return document.body ? document.body.innerText.slice(0, 500) : ''")
                raise TimeoutError(f"not within {timeout} s: {expression}; the page says: {shown}")
            time.sleep(0.05)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); return e ? e.textContent : null", selector)

    def messages(self):
        """What the console holds since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screenshot(self, path, width=1280, dark=False, height=4000):
        self.view(width, 900, dark)
        self.view(width, min(height, self.run("return document.documentElement.scrollHeight")), dark)
        time.sleep(0.3)
        self.driver.save_screenshot(path)

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
