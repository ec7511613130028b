"""What an endpoint's deployments become when a model is deployed on it."""

from __future__ import annotations

from itertools import product

import pytest

from orrery.client.deployments import deploy, rescale
from orrery.errors import Invalid

A = {"model": "mdl_a", "replicas": 2, "traffic": 100}
HALVES = [{"model": "mdl_a", "replicas": 1, "traffic": 50}, {"model": "mdl_b", "replicas": 1, "traffic": 50}]


def test_without_traffic_the_model_takes_the_place_of_the_others() -> None:
    assert deploy(HALVES, "mdl_c", replicas=3) == [{"model": "mdl_c", "replicas": 3, "traffic": 100}]


def test_the_same_model_keeps_its_replicas() -> None:
    assert deploy([A], "mdl_a") == [A]


def test_traffic_adds_the_model_and_the_others_share_the_rest() -> None:
    assert deploy([A], "mdl_b", traffic=20) == [
        {"model": "mdl_a", "replicas": 2, "traffic": 80},
        {"model": "mdl_b", "replicas": 1, "traffic": 20},
    ]


def test_traffic_of_a_model_that_is_there_changes_its_share() -> None:
    assert [(d["model"], d["traffic"]) for d in deploy(HALVES, "mdl_b", traffic=90)] == [("mdl_a", 10), ("mdl_b", 90)]


def test_an_endpoint_under_test_stays_so_with_another_model_at_zero() -> None:
    tested = [{"model": "mdl_a", "replicas": 1, "traffic": 0}]
    assert [d["traffic"] for d in deploy(tested, "mdl_b", traffic=0)] == [0, 0]
    assert [d["traffic"] for d in deploy([], "mdl_b", traffic=0)] == [0]


@pytest.mark.parametrize(("present", "traffic"), [([], 40), ([A], 101), ([A], -1)])
def test_a_share_that_cannot_be_is_refused(present: list[dict[str, object]], traffic: int) -> None:
    with pytest.raises(Invalid, match=str(traffic)):
        deploy(present, "mdl_new", traffic=traffic)


def test_shares_are_whole_and_add_up_whatever_they_were() -> None:
    for shares in product((0, 1, 33, 34, 50, 100), repeat=3):
        for total in (0, 1, 49, 99, 100):
            scaled = rescale(shares, total)
            assert sum(scaled) == total
            assert all(share >= 0 for share in scaled)
