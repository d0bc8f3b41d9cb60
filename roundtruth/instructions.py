"""What a job's owner tells the people who label: a Markdown file, shown as text and pictures, never run as HTML."""

import posixpath
import re
from typing import TYPE_CHECKING

from roundtruth.errors import UserError
from roundtruth.storage import read_needed, read_url, resolve

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

LARGEST = 1_000_000  # bytes of the file
LONGEST_LINE = 200  # characters of the line that is always visible
PICTURES = "instructions/"  # below the address of the page


class Instructions:
    """The instructions of a job, read now. Without a file they are empty."""

    def __init__(self, path: str | None):
        self.path, self.line, self.html = path, "", ""
        if path:
            text = read(path)
            self.line, self.html = first_line(text), rendered(text)

    def picture(self, name: str) -> bytes | None:
        """A picture that the instructions show; None for any other file."""
        if not self.path or name not in pictures(read(self.path)):
            return None
        try:
            return read_url(resolve(name, posixpath.dirname(self.path)))
        except (OSError, UserError):
            return None


def read(path: str) -> str:
    """The text of the file. Raises UserError where it cannot be used."""
    data = read_needed(path)
    if len(data) > LARGEST:
        raise UserError(f"{path}: over {LARGEST // 10**6} MB; keep the pictures in files of their own")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}: line {line}: not UTF-8; save it as UTF-8") from None


def markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False})


def rendered(text: str) -> str:
    """Safe HTML: what is HTML in the file is shown as text, and links lead nowhere but to pages of the web."""
    parser = markdown()
    tokens = parser.parse(text)
    for token in inside(tokens):
        if token.type == "image":
            name = str(token.attrs.get("src", ""))
            token.attrs["src"] = PICTURES + name if is_relative(name) else ""
        if token.type == "link_open":
            token.attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
    return parser.renderer.render(tokens, parser.options, {})


def first_line(text: str) -> str:
    """The first paragraph or heading, as plain text."""
    for token in markdown().parse(text):
        if token.type == "inline":
            words = " ".join(part.content for part in token.children or [] if part.type in ("text", "code_inline"))
            return " ".join(words.split())[:LONGEST_LINE]
    return ""


def pictures(text: str) -> set[str]:
    """The pictures that the instructions show, below their folder."""
    names = (str(token.attrs.get("src", "")) for token in inside(markdown().parse(text)) if token.type == "image")
    return {name for name in names if is_relative(name)}


def inside(tokens: list) -> list:
    return [part for token in tokens for part in (token, *(token.children or []))]


def is_relative(name: str) -> bool:
    return bool(name) and not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|/|\\", name) and ".." not in name.split("/")
