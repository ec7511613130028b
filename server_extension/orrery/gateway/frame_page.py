"""The page around an app's own: it fills the window with a frame, and says again and again that it is open. Pure.

It is the platform's, and has the platform's origin; the frame, where what users wrote runs, has none. What is told to
it from there is taken for no more than the page's title and the part of the address behind `#`.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from orrery.gateway.visits import KEEP_SECONDS

#: the least under which notebooks' widgets, downloads, links and dialogs work; never `allow-same-origin`
ALLOWED: Final = "allow-scripts allow-forms allow-popups allow-modals allow-downloads"
_STYLE: Final = (
    ":root { color-scheme: light dark } html, body, iframe { margin: 0; border: 0; width: 100%; height: 100%; "
    "display: block; overflow: hidden }"
)
_SCRIPT: Final = (
    f"const period = {KEEP_SECONDS * 1000};"
    + """
const frame = document.querySelector("iframe");
const { place, pass, rest } = frame.dataset;
const keep = () => void fetch(place + "/~/keep", { method: "POST" }).catch(() => undefined);
setInterval(keep, period);
document.addEventListener("visibilitychange", () => document.hidden || keep());
addEventListener("message", event => {
if (event.source !== frame.contentWindow || !event.data || typeof event.data !== "object") return;
const { orrery, title, hash } = event.data;
if (orrery === "door") location.reload();
if (orrery === "shown" && typeof title === "string" && title) document.title = title;
if (orrery === "shown" && typeof hash === "string" && hash !== location.hash)
history.replaceState(null, "", location.pathname + location.search + hash);
});
frame.addEventListener("load", () => frame.focus());
frame.src = place + "/~" + pass + rest + location.hash;
"""
)
#: what is shown in the frame where the app cannot be had: the page around it asks the door again
_OUT_SCRIPT: Final = """setTimeout(() => parent === self ? location.replace(document.body.dataset.door)
: parent.postMessage({ orrery: "door" }, "*"), Number(document.body.dataset.wait));
"""


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


#: the frame may lead to another site, as any page may
POLICY: Final = (
    f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; frame-src http: https:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def render_frame(title: str, place: str, app_pass: str, rest: str) -> bytes:
    """`place`: the app's door as the browser sees it, no slash at its end; `rest`: what is shown, with a slash."""
    data = f'data-place="{escape(place)}" data-pass="{escape(app_pass)}" data-rest="{escape(rest)}"'
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{_STYLE}</style></head>\n<body><iframe title="{escape(title)}" sandbox="{ALLOWED}" '
        f'allow="fullscreen" {data}></iframe><script>{_SCRIPT}</script></body></html>\n'
    ).encode()


def render_out(door: str, message: str, *, wait_milliseconds: int) -> bytes:
    """Leads the whole window to the door, after a while."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>One moment</title>'
        "<style>:root { color-scheme: light dark } body { font: 16px/1.5 system-ui, sans-serif; margin: 3em }</style>"
        f'</head>\n<body data-door="{escape(door)}" data-wait="{wait_milliseconds}"><main role="status">'
        f"{escape(message)}</main><script>{_OUT_SCRIPT}</script></body></html>\n"
    ).encode()
