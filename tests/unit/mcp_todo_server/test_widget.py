"""What a content security policy needs to know of the task list's page."""

import base64
import hashlib

import pytest
from mcp_todo_server.widget.page import inline_hashes, page


def source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_style_and_script_are_hashed_as_a_browser_does() -> None:
    hashes = inline_hashes("<style>p { color: red }</style><p>“text”</p><script>\nf(1 < 2)\n</script>")
    assert hashes.style == source("p { color: red }")
    assert hashes.script == source("\nf(1 < 2)\n")


def test_the_page_has_one_style_and_one_script() -> None:
    html = page()
    hashes = inline_hashes(html)
    assert html.count("<script") == html.count("</script") == html.count("<style") == html.count("</style") == 1
    assert hashes.script != hashes.style


@pytest.mark.parametrize(
    "html", ["<p></p>", "<script>1</script>", "<script>1</script><style></style><script>2</script>"]
)
def test_another_page_is_refused(html: str) -> None:
    with pytest.raises(ValueError, match="one style and one script"):
        inline_hashes(html)
