"""From the click on "Trainings" to the first rows on the screen, with 10,000 trainings: under 300 ms.

Timed by the page itself, from the click's own time to the frame after the first row appears. The list is closed
between rounds, so that each opens it anew.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from chromium import lab_page
from records import fill

COUNT = 10_000
ROUNDS = 9
LIMIT_MS = 300.0
#: resolves with the milliseconds from the click to the frame that shows a row
WATCH = """() => {
    window.firstRow = new Promise(resolve => {
        let clicked = 0;
        const button = document.querySelector('[data-testid=orrery-list-training]:not(.orr-Panel)');
        button.addEventListener('click', event => { clicked = event.timeStamp; }, {once: true, capture: true});
        const look = () => {
            const row = document.querySelector('.orr-Panel [data-testid^="orrery-row-"]');
            if (clicked && row) {
                requestAnimationFrame(now => requestAnimationFrame(shown => resolve(shown - clicked)));
            } else {
                requestAnimationFrame(look);
            }
        };
        look();
    });
}"""


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    fill(folder / "home", COUNT)
    taken: list[float] = []
    with lab_page(folder / "home", folder / "work") as (_, page, _client):
        button = page.get_by_test_id("orrery-kind-training").get_by_test_id("orrery-list-training")
        button.wait_for()
        for _ in range(ROUNDS):
            page.evaluate(WATCH)
            button.click()
            taken.append(page.evaluate("window.firstRow"))
            page.evaluate("window.jupyterapp.commands.execute('application:close')")
            page.locator('.orr-Panel[data-testid="orrery-list-training"]').wait_for(state="detached")
    # the first loads code and warms caches, as it does for a person once a day
    first, later = taken[0], statistics.median(taken[1:])
    result = {
        "trainings": COUNT,
        "first_ms": round(first, 1),
        "median_ms": round(later, 1),
        "max_ms": round(max(taken[1:]), 1),
        "limit_ms": LIMIT_MS,
    }
    print(json.dumps(result, indent=2))
    return 0 if later < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
