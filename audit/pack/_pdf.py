"""PDF through a Chromium or Chrome that is installed; nothing is downloaded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from audit.errors import InputError

VARIABLE = "AUDIT_CHROMIUM"
_NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge",
)  # fmt: skip
_APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)  # fmt: skip
_SECONDS = 180
_DATES = re.compile(rb"/(CreationDate|ModDate) \(D:\d{14}([^)]*)\)")


def find_browser() -> str:
    """Return the browser that prints.

    Raises:
        InputError: There is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if shutil.which(named):
            return named
        raise InputError(
            f"{VARIABLE} names no browser", expected="a Chromium or Chrome", got=named, fix="correct it, or unset it"
        )
    for name in (*_NAMES, *_APPS):
        if shutil.which(name):
            return name
    raise InputError(
        "no browser that prints was found", expected="Chromium or Chrome on the PATH", got="none",
        fix=f"install one, name it in {VARIABLE}, or make the pack without --pdf and print its pages",
    )  # fmt: skip


def print_pdf(html: bytes, time: str, browser: str | None = None) -> bytes:
    """Return an HTML page as PDF.

    Args:
        html: The page.
        time: ISO time that the PDF states, so that equal packs state an equal one.
        browser: Command of the browser; None: whichever is found.

    Raises:
        InputError: There is no browser, or it does not print.
    """
    command = browser or find_browser()
    with tempfile.TemporaryDirectory() as folder:
        page, out = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_bytes(html)
        words = [
            command, "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--no-pdf-header-footer",
            "--generate-pdf-document-outline",
            f"--user-data-dir={folder}/profile", f"--print-to-pdf={out}", page.as_uri(),
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium has no sandbox for root, as in a container.
            words.insert(1, "--no-sandbox")
        try:
            done = subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(type(error).__name__) from error
        if done.returncode or not out.is_file() or not out.stat().st_size:
            raise _failed(done.stderr.decode("utf-8", errors="replace").strip().splitlines()[-1:] or ["no file"])
        return _dated(out.read_bytes(), time)


def _failed(got: object) -> InputError:
    text = " ".join(got) if isinstance(got, list) else str(got)
    return InputError(
        "the browser did not print", expected="a PDF", got=text[:120],
        fix=f"try another browser with {VARIABLE}, or make the pack without --pdf",
    )  # fmt: skip


def _dated(data: bytes, time: str) -> bytes:
    """Return a PDF whose dates are those of the run; of equal length, so that its table of offsets stays right."""
    digits = re.sub(r"\D", "", time)[:14].ljust(14, "0").encode()
    return _DATES.sub(rb"/\1 (D:" + digits + rb"\2)", data)
