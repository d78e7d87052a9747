"""What browsers are told of a document, beside its text: what it may load, run and be shown in."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from html.parser import HTMLParser
from typing import Final

NONE: Final = "'none'"
SELF: Final = "'self'"
POLICY: Final = "Content-Security-Policy"
PERMISSIONS: Final = "Permissions-Policy"
_ORIGIN: Final = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_UNUSED: Final = (
    *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope"),
    *("idle-detection", "magnetometer", "microphone", "midi", "payment", "picture-in-picture", "screen-wake-lock"),
    *("serial", "usb", "xr-spatial-tracking"),
)
_EVERYWHERE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def embedders(cors_origins: Iterable[str]) -> tuple[str, ...]:
    """Return the origins among `CORS_ORIGINS` whose pages may show this one in a frame.

    A `*` lets everybody call the API, who needs a token for it, and nobody show the page, which has one.
    """
    return tuple(origin for origin in cors_origins if _ORIGIN.fullmatch(origin))


def file_headers() -> dict[str, str]:
    """Return the headers of what is no document, such as a script or a token."""
    return {**_EVERYWHERE, POLICY: _policy({"default-src": NONE, "frame-ancestors": NONE})}


def page_headers(origins: Sequence[str]) -> dict[str, str]:
    """Return the headers of a page that `origins` may show in a frame."""
    # No inline script or style, nothing from elsewhere: a task's text has no way to run or to load anything.
    policy = {
        "default-src": NONE,
        "script-src": SELF,
        "style-src": SELF,
        "connect-src": SELF,
        "img-src": SELF,
        "frame-src": SELF,
        "base-uri": NONE,
        "form-action": NONE,
        "frame-ancestors": " ".join(origins) or NONE,
        # Text becomes markup by DOMPurify alone (W3C Trusted Types).
        "require-trusted-types-for": "'script'",
        "trusted-types": "dompurify",
    }
    headers = {**_EVERYWHERE, POLICY: _policy(policy), PERMISSIONS: _without(*_UNUSED)}
    if not origins:
        # Shown in a frame or opened by its application, the page has to stay in reach of its messages.
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return headers


def reference_headers(html: str, library: str) -> dict[str, str]:
    """Return the headers of the API's reference, which loads what stands at the address `library`."""
    policy = {
        "default-src": NONE,
        "script-src": f"{library} {_hashes(html, 'script')}",
        # The library writes styles and draws its icons itself.
        "style-src": f"{library} 'unsafe-inline'",
        "img-src": f"{SELF} data:",
        "connect-src": SELF,
        "base-uri": NONE,
        "form-action": NONE,
        "frame-ancestors": NONE,
    }
    return {
        **_EVERYWHERE,
        POLICY: _policy(policy),
        PERMISSIONS: _without(*_UNUSED),
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def widget_headers(html: str, origins: Sequence[str]) -> dict[str, str]:
    """Return the headers of a document that runs in a frame of the page, apart from it, and reaches nothing.

    Of inline styles and scripts, those of the document as it stands are let in. `origins` may show the page.
    """
    policy = {
        "default-src": NONE,
        "script-src": _hashes(html, "script"),
        "style-src": _hashes(html, "style"),
        "base-uri": NONE,
        "form-action": NONE,
        # Every page around the frame is looked at, not only the next one.
        "frame-ancestors": " ".join((SELF, *origins)),
        # Opened by itself, the document has no more than in its frame.
        "sandbox": "allow-scripts",
    }
    return {**_EVERYWHERE, POLICY: _policy(policy), PERMISSIONS: _without(*_UNUSED, "clipboard-write")}


def _policy(directives: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _without(*features: str) -> str:
    return ", ".join(f"{feature}=()" for feature in features)


class _Inline(HTMLParser):
    """Collects what stands in the elements of one name."""

    def __init__(self, element: str) -> None:
        super().__init__()
        self._element = element
        self._inside = False
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == self._element and "src" not in dict(attributes):
            self._inside = True
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == self._element:
            self._inside = False


def _hashes(html: str, element: str) -> str:
    """Return the sources that let in a document's inline elements of one name (CSP Level 3, section 2.3.1)."""
    parser = _Inline(element)
    # Browsers hash what they have read, in which every line ends alike.
    parser.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
    parser.close()
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in parser.texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or NONE
