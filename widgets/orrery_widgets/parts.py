"""The pieces that panels are made of: ipywidgets with labels, and HTML that follows the theme.

Colours are Jupyter's own variables, so that both themes work; VS Code's stand in where those are missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

LABEL_WIDTH = "170px"
#: one choice of a drop-down: what is shown, and its value
Choice = tuple[str, Any]

STYLE = """<style>
.orrw { --orrw-fg: var(--jp-ui-font-color1, var(--vscode-foreground, #222));
  --orrw-soft: var(--jp-ui-font-color2, var(--vscode-descriptionForeground, #555));
  --orrw-line: var(--jp-border-color2, var(--vscode-panel-border, #ccc));
  --orrw-back: var(--jp-layout-color1, var(--vscode-editor-background, #fff));
  --orrw-back2: var(--jp-layout-color2, var(--vscode-sideBar-background, #eee));
  --orrw-bad: var(--jp-error-color1, var(--vscode-errorForeground, #b00020));
  color: var(--orrw-fg); font-family: var(--jp-ui-font-family, sans-serif); font-size: 13px; }
.orrw .widget-html-content, .orrw .widget-label { color: var(--orrw-fg); line-height: 1.45; }
.orrw-title { font-size: 15px; font-weight: 600; margin: 2px 0 4px; }
.orrw-group { font-weight: 600; margin: 8px 0 2px; padding-bottom: 2px; border-bottom: 1px solid var(--orrw-line); }
.orrw-help { color: var(--orrw-soft); font-size: 12px; margin: 0 0 4px 174px; }
.orrw-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.orrw-soft { color: var(--orrw-soft); }
.orrw-bad { color: var(--orrw-bad); white-space: pre-wrap; }
.orrw-bad b { color: var(--orrw-bad); }
.orrw-fit { border-left: 3px solid var(--orrw-line); padding: 2px 8px; margin: 4px 0; }
.orrw-fit-fits { border-color: var(--jp-success-color1, #2e7d32); }
.orrw-fit-tight { border-color: var(--jp-warn-color1, #b36b00); }
.orrw-fit-exceeds { border-color: var(--orrw-bad); }
.orrw-field .orrw-bad { margin: 0 0 6px 174px; }
.orrw pre { margin: 4px 0; padding: 8px; overflow: auto; max-height: 320px; border: 1px solid var(--orrw-line);
  background: var(--orrw-back2); color: var(--orrw-fg); user-select: all;
  font-family: var(--jp-code-font-family, monospace); font-size: 12px; line-height: 1.4; }
.orrw table { border-collapse: collapse; font-size: 12px; margin: 4px 0; color: var(--orrw-fg); }
.orrw th, .orrw td { text-align: left; padding: 3px 10px 3px 4px; border-bottom: 1px solid var(--orrw-line);
  background: transparent; color: var(--orrw-fg); vertical-align: top; }
.orrw th { font-weight: 600; }
.orrw td.orrw-number, .orrw th.orrw-number { text-align: right; font-variant-numeric: tabular-nums; }
.orrw tr.orrw-same td, .orrw tr.orrw-same th { color: var(--orrw-soft); }
.orrw .orrw-scroll { overflow-x: auto; max-width: 100%; }
.orrw a { color: var(--jp-content-link-color, var(--vscode-textLink-foreground, #0060c0)); text-decoration: underline; }
.orrw button.jupyter-button:focus-visible, .orrw input:focus-visible, .orrw select:focus-visible,
.orrw textarea:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 1px; }
.orrw button.jupyter-button { color: var(--orrw-fg); background: var(--orrw-back2); width: auto; padding: 0 12px; }
.orrw button.jupyter-button.mod-active { font-weight: 600; box-shadow: inset 0 -3px 0 var(--jp-brand-color1, #1976d2); }
body[data-jp-theme-light='false'] .orrw select:not([multiple]) { background-image: url("data:image/svg+xml,%3Csvg \
xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E%3Cpath fill='%23ddd' \
d='M5.2 5.9L9 9.7l3.8-3.8 1.2 1.2-4.9 5-4.9-5z'/%3E%3C/svg%3E"); }
.orrw button.jupyter-button.mod-primary { background: #1565c0; color: #fff; }
.orrw button.jupyter-button.mod-danger { background: #b71c1c; color: #fff; }
.orrw button.jupyter-button:disabled { opacity: 1; background: transparent; color: var(--orrw-soft);
  border: 1px dashed var(--orrw-line); }
.orrw-space-row { border: 1px solid var(--orrw-line); padding: 4px 8px; margin: 3px 0; }
.orrw-bar { display: flex; align-items: center; gap: 8px; margin: 3px 0; }
.orrw-bar-name { min-width: 110px; } .orrw-bar-value { min-width: 56px; text-align: right; }
.orrw-bar-track { flex: 1; max-width: 320px; height: 12px; background: var(--orrw-back2);
  border: 1px solid var(--orrw-line); }
.orrw-bar-fill { height: 100%; background: #1976d2; }
</style>"""


def html(value: str = "") -> Any:
    return widgets.HTML(value)


def box(children: Iterable[Any] = (), **layout: str) -> Any:
    return widgets.VBox(list(children), layout=widgets.Layout(**layout))


def row(children: Iterable[Any] = (), **layout: str) -> Any:
    settings = {"align_items": "center", "flex_flow": "row wrap", **layout}
    return widgets.HBox(list(children), layout=widgets.Layout(**settings))


def button(label: str, act: Callable[[], None], *, style: str = "", tooltip: str = "") -> Any:
    """`style`: "primary" for what the panel is for, "danger" for what destroys."""
    made: Any = widgets.Button(description=label, button_style=style, tooltip=tooltip or label)
    made.layout.width = "auto"

    def clicked(_: Any) -> None:
        act()

    made.on_click(clicked)
    return made


def confirmed(label: str, question: str, act: Callable[[], None]) -> Any:
    """A button for what cannot be undone: it asks first, in its own place."""
    asked = html(f"<span role='alert'>{escape(question)}</span>")
    line = row([])

    def ask() -> None:
        line.children = [asked, yes, no]

    def leave() -> None:
        line.children = [first]

    def do() -> None:
        leave()
        act()

    first = button(label, ask)
    yes, no = button(label, do, style="danger"), button("Keep", leave)
    line.children = [first]
    return line


def toggle(label: str, changed: Callable[[bool], None], *, value: bool = False) -> Any:
    made: Any = widgets.ToggleButton(value=value, description=label, tooltip=label)
    made.layout.width, made.layout.align_self = "auto", "flex-start"
    observe(made, lambda: changed(bool(made.value)))
    return made


def dropdown(label: str, choices: Sequence[Choice] = (), value: Any = None, *, width: str = "520px") -> Any:
    """With no `value` the first choice is taken."""
    made: Any = widgets.Dropdown(description=label, options=list(choices), **_labelled(width))
    if value is not None:
        made.value = value
    return made


def text(label: str, value: str = "", *, placeholder: str = "", width: str = "520px") -> Any:
    return widgets.Text(description=label, value=value, placeholder=placeholder, **_labelled(width))


def checkbox(label: str, value: bool = False, *, width: str = "520px") -> Any:
    return widgets.Checkbox(description=label, value=value, indent=False, layout=widgets.Layout(width=width))


def number(label: str, value: Any, *, integer: bool, width: str = "520px") -> Any:
    """Takes any number: what is out of bounds is refused by the platform in words, and not changed in silence."""
    kind: Any = widgets.IntText if integer else widgets.FloatText
    return kind(description=label, value=value, **_labelled(width))


def several(label: str, choices: Sequence[Choice], value: Sequence[Any] = (), *, rows: int = 6) -> Any:
    return widgets.SelectMultiple(
        description=label, options=list(choices), value=tuple(value), rows=rows, **_labelled("520px")
    )


def _labelled(width: str) -> dict[str, Any]:
    return {"style": {"description_width": LABEL_WIDTH}, "layout": widgets.Layout(width=width, max_width="100%")}


def set_choices(control: Any, choices: Sequence[Choice], value: Any = None) -> None:
    """New choices; what was chosen stays where it can, else `value`, else the first."""
    wanted = value if value is not None else control.value
    control.options = list(choices)
    if any(chosen == wanted for _, chosen in choices):
        control.value = wanted
    elif choices:
        control.value = choices[0][1]


def observe(control: Any, changed: Callable[[], None]) -> None:
    """Call `changed` when the person, or a program, has changed its value."""

    def seen(_: Any) -> None:
        changed()

    control.observe(seen, names="value")


def show(control: Any, visible: bool) -> None:
    control.layout.display = "" if visible else "none"


# HTML


def title(words: str) -> str:
    return f"<div class='orrw-title' role='heading' aria-level='2'>{escape(words)}</div>"


def group(words: str) -> str:
    return f"<div class='orrw-group'>{escape(words)}</div>"


def soft(words: str) -> str:
    return f"<span class='orrw-soft'>{escape(words)}</span>"


def alert(message: str) -> str:
    return f"<div class='orrw-bad' role='alert'>{escape(message)}</div>"


def field_alert(message: str) -> str:
    """An alert below a field, where its control begins."""
    return f"<div class='orrw-field'>{alert(message)}</div>"


def code_block(source: str, label: str = "Code") -> str:
    """One click selects all of it."""
    return f"<pre tabindex='0' role='region' aria-label='{escape(label, quote=True)}'>{escape(source)}</pre>"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, caption: str = "") -> str:
    """Cells are text; numbers are set to the right."""
    lines = "".join(f"<tr>{''.join(cell(value) for value in entry)}</tr>" for entry in rows)
    named = f" aria-label='{escape(caption, quote=True)}'" if caption else ""
    header = "".join(f"<th scope='col'>{escape(one)}</th>" for one in head)
    return (
        f"<div class='orrw-scroll'><table{named}><thead><tr>{header}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def facts(rows: Iterable[tuple[str, Any]], caption: str) -> str:
    """Names and values, one a line."""
    lines = "".join(f"<tr><th scope='row'>{escape(name)}</th>{cell(value)}</tr>" for name, value in rows)
    named = escape(caption, quote=True)
    return f"<div class='orrw-scroll'><table aria-label='{named}'><tbody>{lines}</tbody></table></div>"


def cell(value: Any) -> str:
    css = " class='orrw-number'" if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f"<td{css}>{escape(shown(value))}</td>"


def shown(value: Any) -> str:
    """A value as a person reads it; what is missing is a dash, and NaN stays NaN."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.3e}"
    return str(value)


def size_text(count: float) -> str:
    """`512 MiB`, `2 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"


def plural(count: float, word: str) -> str:
    return f"{count:g} {word}" if count == 1 else f"{count:g} {word}s"
