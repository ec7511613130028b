"""The page that a visitor of an app sees while it wakes, and when it cannot. Pure.

It runs no script: it asks again by itself, so that it works under any policy of the server before it.
"""

from __future__ import annotations

from html import escape
from typing import Final

from orrery.controllers.apps import AppState, Look

REFRESH_SECONDS: Final = 1
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --quiet: color-mix(in srgb, currentColor 65%, transparent) }
body { font: 16px/1.55 system-ui, sans-serif; display: grid; place-content: center; min-height: 90vh; margin: 0 1.5em }
main { max-width: 44em }
h1 { font-size: 1.5em; margin: 0 0 .4em }
p { margin: .5em 0 }
.quiet { color: var(--quiet) }
progress { width: 100%; max-width: 22em; margin: .6em 0 }
pre { font-size: 13px; margin: 0 }
/* its end is what is shown first */
.log { display: flex; flex-direction: column-reverse; overflow: auto; max-height: 40vh; padding: .8em }
.log { border: 1px solid var(--line); border-radius: 4px }
a { color: LinkText; margin-right: 1.2em }
"""


def render(title: str, look: Look, *, back: tuple[str, str], is_owner: bool) -> str:
    """`title` as people call the app; `back`: where a link leads out of here, and its words."""
    heading, body = _told(title, look, is_owner)
    waits = look.state is AppState.WAKING
    refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if waits else ""
    log = ""
    if look.log:
        log = f'<p>The last lines of its log:</p><div class="log" tabindex="0"><pre>{escape(look.log)}</pre></div>'
    again = '<a href="?again=1">Try again</a>' if look.state is AppState.FAILED else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{refresh}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(heading)}</title>'
        f'<style>{_STYLE}</style></head>\n<body><main data-state="{look.state}"><h1>{escape(heading)}</h1>{body}{log}'
        f'<p>{again}<a href="{escape(back[0])}">{escape(back[1])}</a></p></main></body></html>\n'
    )


def _told(title: str, look: Look, is_owner: bool) -> tuple[str, str]:
    match look.state:
        case AppState.FAILED:
            return f"{title} could not start", f'<p role="alert">{escape(look.message)}</p>'
        case AppState.STOPPED:
            remedy = "Start it, then load this page again." if is_owner else "Only its owner can start it again."
            return f"{title} is stopped", f"<p>{remedy}</p>"
        case _:
            doing = f"{look.message}." if look.message else "Its program is being started."
            usual = f" This usually takes about {_seconds(look.usual_seconds)}." if look.usual_seconds else ""
            bar = f'<progress aria-label="{escape(title)} is waking up"></progress>'
            return (
                f"{title} is waking up…",
                f'{bar}<p role="status">{escape(doing)}</p>'
                f'<p class="quiet">It sleeps when nobody visits.{usual} This page opens it by itself.</p>',
            )


def _seconds(seconds: float) -> str:
    whole = max(1, round(seconds))
    return "a second" if whole == 1 else f"{whole} seconds"


def render_missing(message: str, *, back: tuple[str, str]) -> str:
    """For a person who may not visit, or not any more."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Not found</title>'
        f"<style>{_STYLE}</style></head>\n<body><main><h1>There is nothing here for you</h1>"
        f'<p role="alert">{escape(message)}</p><p><a href="{escape(back[0])}">{escape(back[1])}</a></p>'
        "</main></body></html>\n"
    )
