"""What a sandboxed page has not, and programs written for an open one expect. Scripts that are put into such pages."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

#: storage and cookies that live as long as the page
STORAGE: Final = b"""for (const name of ["localStorage", "sessionStorage"]) {
try { window[name].length } catch {
const kept = new Map();
Object.defineProperty(window, name, {value: {
getItem: key => kept.get(String(key)) ?? null, setItem: (key, value) => void kept.set(String(key), String(value)),
removeItem: key => void kept.delete(String(key)), clear: () => kept.clear(),
key: index => [...kept.keys()][index] ?? null, get length() { return kept.size }}}) } }
try { document.cookie } catch { Object.defineProperty(document, "cookie", {get: () => "", set: () => {}}) }
"""
#: workers from an address, started from a text that fetches them
WORKERS: Final = b"""window.Worker = class extends Worker { constructor(url, options) {
const code = `importScripts(${JSON.stringify(new URL(url, document.baseURI).href)})`;
super(URL.createObjectURL(new Blob([code], {type: "text/javascript"})), options) } };
"""
#: what stands behind `#` in the address is told to the page around it: its address people copy and come back to
SHOWN: Final = b"""const tell = () => parent === self ||
parent.postMessage({orrery: "shown", hash: location.hash}, "*");
addEventListener("hashchange", tell);
for (const name of ["pushState", "replaceState"]) {
const change = history[name]; history[name] = function (...words) { change.apply(history, words); tell() } }
"""


def put_in(page: bytes, script: bytes) -> bytes:
    """The page with the script before all others."""
    return page.replace(b"<head>", b"<head><script>" + script + b"</script>", 1)


def source_of(script: bytes) -> str:
    """What lets the script run under a policy that names those that may: `'sha256-…'`."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
