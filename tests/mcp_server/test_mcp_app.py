"""The page that shows a recall as cards: it keeps to MCP Apps, asks for nothing, and a hostile memory is only text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.mcp_server.conftest import request
from tests.mcp_server.test_mcp_tools import HOSTILE

from memento_app.mcp import catalog
from memento_app.mcp.protocol import handle

NODE = shutil.which("node")
DOCUMENT = """
const sent = [], heard = {};
class Element {
  constructor(tag) { this.tag = tag; this.className = ""; this.children = []; this.style = {}; this.text = ""; }
  set textContent(text) { this.text = String(text); this.children = []; }
  get textContent() { return this.text; }
  appendChild(child) { this.children.push(child); return child; }
  replaceChildren() { this.children = []; this.text = ""; }
  getBoundingClientRect() { return { height: 100.5 }; }
}
for (const name of ["innerHTML", "outerHTML", "src", "href"]) {
  Object.defineProperty(Element.prototype, name, { set() { throw new Error(name + " was set"); } });
}
const byId = { cards: new Element("ul"), notes: new Element("div"), state: new Element("p") };
const parent = { postMessage: (message) => sent.push(message) };
const window = { parent, addEventListener: (name, listener) => { heard[name] = listener; } };
const document = {
  getElementById: (name) => byId[name],
  createElement: (tag) => new Element(tag),
  documentElement: new Element("html"),
};
const shown = (element) => ({ tag: element.tag, class: element.className, text: element.text,
                              children: element.children.map(shown) });
"""
EVENTS = """
for (const [source, data] of events) heard.message({ source: source === "parent" ? parent : {}, data });
console.log(JSON.stringify({ sent, cards: shown(byId.cards), notes: shown(byId.notes), state: byId.state.text,
                             scheme: document.documentElement.style.colorScheme || "" }));
"""


def page() -> str:
    answer = handle(request(1, "resources/read", uri=catalog.APP_URI), lambda method, params: {})
    assert answer is not None
    (content,) = answer["result"]["contents"]
    assert content["mimeType"] == "text/html;profile=mcp-app"
    return str(content["text"])


def run(*events: tuple[str, Any]) -> Any:
    """Run the page's script with a document that can only hold text; give it messages from its host, or others."""
    assert NODE is not None
    script = page().partition("<script>")[2].partition("</script>")[0]
    program = f"{DOCUMENT}\n(() => {{ {script} }})();\nconst events = {json.dumps(events)};\n{EVENTS}"
    done = subprocess.run([NODE, "-"], input=program, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def result(*memories: dict[str, Any], **more: Any) -> tuple[str, Any]:
    params = {"content": [], "structuredContent": {"memories": [*memories], **more}}
    return "parent", {"jsonrpc": "2.0", "method": "ui/notifications/tool-result", "params": params}


def test_the_page_can_load_and_send_nothing() -> None:
    text = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].split("; ") == ["default-src 'none'", "script-src 'unsafe-inline'", "style-src 'unsafe-inline'"]
    for word in ("http:", "https:", "//cdn", "fetch(", "XMLHttpRequest", "WebSocket", "import(", "innerHTML", "eval(",
                 "insertAdjacentHTML", "document.write", "url(", "@import", "localStorage"):  # fmt: skip
        assert word not in text, word

    class Loads(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            self.found += [name for name, _ in attributes if name in ("src", "href", "srcset", "action", "data")]

    parser = Loads()
    parser.feed(text)
    assert parser.found == []


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_it_says_hello_and_shows_cards_with_their_origin() -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "result": {"hostContext": {"theme": "dark"}}}
    memory = {"id": "6e287ca4f4c4", "date": "2026-11-30", "trust": "user", "project": "/srv/harbor", "score": 0.97}
    memory |= {"text": "We deploy on Tuesdays", "cut": True, "copies": 2, "replaced_by": "abc", "request": "when?"}
    seen = run(("parent", hello), result(memory, notes=["no model installed"]))
    first, second, *rest = seen["sent"]
    assert first["method"] == "ui/initialize"
    assert first["params"]["protocolVersion"] == "2026-01-26"
    assert second == {"jsonrpc": "2.0", "method": "ui/notifications/initialized", "params": {}}
    assert rest[-1]["method"] == "ui/notifications/size-changed"
    assert seen["scheme"] == "dark"
    (card,) = seen["cards"]["children"]
    origin, text, *more = card["children"]
    assert [one["text"] for one in origin["children"]] == [
        "2026-11-30", "user", "/srv/harbor", "score 0.97", "6e287ca4f4c4",
    ]  # fmt: skip
    assert text["text"] == "We deploy on Tuesdays …"
    assert [one["text"] for one in more] == ["in answer to: when?", "replaced by abc", "2 more say the same"]
    assert seen["notes"]["children"][0]["text"] == "no model installed"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_a_hostile_memory_is_only_text() -> None:
    seen = run(result(*({"id": text, "date": text, "project": text, "text": text} for text in HOSTILE)))
    tags: set[str] = set()

    def visit(element: Any) -> None:
        tags.add(element["tag"])
        for child in element["children"]:
            visit(child)

    visit(seen["cards"])
    assert tags == {"ul", "li", "p", "span"}
    assert [card["children"][1]["text"] for card in seen["cards"]["children"]] == HOSTILE


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_only_its_host_is_heard_and_what_is_odd_shows_nothing() -> None:
    memory = {"id": "1", "text": "from elsewhere"}
    stranger = ("stranger", result(memory)[1])
    odd: list[tuple[str, Any]] = [("parent", one) for one in (None, 5, {}, {"jsonrpc": "2.0"}, {"jsonrpc": "1.0"})]
    nothing = {"jsonrpc": "2.0", "method": "ui/notifications/tool-result"}
    seen = run(stranger, *odd, ("parent", nothing), ("parent", {**nothing, "params": {"structuredContent": []}}))
    assert seen["cards"]["children"] == []
    assert seen["state"] == "No memories."
    strange = run(result({"id": {}, "text": ["x"], "date": 5}, 7, None, "text"))  # type: ignore[arg-type]
    assert len(strange["cards"]["children"]) == 1
    closing = run(("parent", {"jsonrpc": "2.0", "id": 9, "method": "ui/resource-teardown", "params": {}}))
    assert closing["sent"][-1] == {"jsonrpc": "2.0", "id": 9, "result": {}}
