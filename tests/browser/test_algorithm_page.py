"""What an algorithm takes and emits: on its page, and in the form of a training, in both themes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import execute, look, open_lab, panel, running_lab, use_theme, violations


def test_an_algorithm_says_what_it_takes_and_emits(tmp_path_factory: pytest.TempPathFactory, page: Page) -> None:
    with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
        algorithm = client.get("algorithms/by-name/orrery/xgboost").json()
        emitted = ", ".join(metric["name"] for metric in algorithm["spec"]["metrics"])
        open_lab(page, lab)
        execute(page, "orrery:open", {"kind": "algorithm", "ref": "orrery/xgboost"})
        here = page.get_by_test_id("orrery-detail-algorithm")
        table = here.get_by_test_id("orrery-declared-parameters")
        for name, declared in algorithm["spec"]["parameters_schema"]["properties"].items():
            row = table.get_by_role("row").filter(has=page.get_by_text(re.compile(f"^{name}$")))
            expect(row).to_have_count(1)
            if "minimum" in declared and "maximum" in declared:
                expect(row).to_contain_text(f"{declared['minimum']:.10g} to {declared['maximum']:.10g}")
        expect(here.get_by_test_id("orrery-declared-metrics").get_by_role("listitem")).to_have_count(
            len(algorithm["spec"]["metrics"])
        )
        # what is built in has no source to fetch from
        expect(here.get_by_test_id("orrery-action-fetch")).to_have_count(0)
        for theme in ("light", "dark"):
            use_theme(page, theme)
            look(page, f"algorithm-declared-{theme}")
            assert violations(page, '[data-testid="orrery-detail-algorithm"]') == []
        use_theme(page, "light")
        here.get_by_test_id("orrery-train").focus()
        page.keyboard.press("Enter")
        begun = panel(page, "orrery-form-training")
        expect(begun.get_by_test_id("orrery-ref-spec_algorithm")).to_have_value("orrery/xgboost")
        expect(begun.get_by_label("Name", exact=True)).to_be_focused()
        expect(begun.get_by_label("Name", exact=True)).to_have_value("xgboost-1")
        # what is still missing is where the keyboard is led
        page.keyboard.press("Control+Enter")
        expect(begun.get_by_test_id("orrery-ref-spec_datasets_train")).to_be_focused()
        begun.get_by_role("button", name="Cancel").click()
        execute(page, "orrery:open-list", {"kind": "algorithm"})
        row = panel(page, "orrery-list-algorithm").get_by_test_id("orrery-row-xgboost")
        row.focus()
        page.keyboard.press("Shift+F10")
        menu = page.get_by_test_id("orrery-row-menu")
        expect(menu).to_contain_text("Train")
        look(page, "algorithm-row-menu")
        menu.get_by_text("Tune", exact=True).click()
        tuning = panel(page, "orrery-form-tuning")
        expect(tuning.get_by_test_id("orrery-ref-spec_algorithm")).to_have_value("orrery/xgboost")
        tuning.get_by_role("button", name="Cancel").click()
        execute(page, "orrery:create", {"kind": "training", "prefill": {"spec": {"algorithm": "orrery/xgboost"}}})
        form = page.get_by_test_id("orrery-form-training")
        expect(form.get_by_test_id("orrery-emits")).to_have_text(f"Emits: {emitted}")
        for theme in ("light", "dark"):
            use_theme(page, theme)
            look(page, f"training-form-emits-{theme}")
