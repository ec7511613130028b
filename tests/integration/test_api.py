"""The REST API on a real platform: what it answers, refuses, hides and keeps."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from orrery.testing.platform import RunningPlatform, create_dataset, put_object, wait_settled
from orrery.testing.waiting import wait_until

ROWS = "".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}\n" for i in range(60))
CSV = f"width,height,species\n{ROWS}".encode()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    import shutil
    import tempfile

    home = Path(tempfile.mkdtemp(prefix="orr-"))
    with RunningPlatform(home) as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice", groups=("lab",)) as client:
        yield client


@pytest.fixture
def bob(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("bob") as client:
        yield client


@pytest.fixture(scope="module")
def iris(platform: RunningPlatform) -> Any:
    with platform.client("alice") as client:
        return create_dataset(client, "iris", CSV)


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == code, error
    return error


def training(name: str, **changes: Any) -> dict[str, Any]:
    spec = {"algorithm": "logistic-regression", "datasets": {"train": "iris"}, "parameters": {"target": "species"}}
    return {"name": name, "spec": {**spec, **changes}}


def test_without_a_token_nothing_is_said_but_health(platform: RunningPlatform) -> None:
    assert httpx.get(f"{platform.url}/healthz", timeout=60).json()["status"] == "ok"
    assert httpx.get(f"{platform.url}/readyz", timeout=60).status_code == 200
    refused(httpx.get(f"{platform.url}/api/v1/datasets", timeout=60), 401, "unauthenticated")
    refused(
        httpx.get(f"{platform.url}/api/v1/kinds", headers={"Authorization": "Bearer x.y.z"}, timeout=60),
        401,
        "unauthenticated",
    )
    refused(httpx.get(f"{platform.url}/metrics", timeout=60), 401, "unauthenticated")


def test_docs_and_openapi_are_served(platform: RunningPlatform) -> None:
    page = httpx.get(f"{platform.url}/docs", timeout=60).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any(source.endswith("swagger-ui-bundle.js") for source in sources)
    for source in sources:
        assert source.startswith("/docs/assets/"), f"{source} is not served by the platform"
        assert httpx.get(f"{platform.url}{source}", timeout=60).status_code == 200
    document = httpx.get(f"{platform.url}/openapi.json", timeout=60).json()
    assert "/api/v1/trainings/{id}/stop" in document["paths"]
    body = document["paths"]["/api/v1/trainings"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].endswith("TrainingCreate")


def test_the_committed_openapi_document_is_the_one_served(platform: RunningPlatform) -> None:
    committed = Path(__file__).parents[2] / "labextension" / "openapi.json"
    assert json.loads(committed.read_text()) == httpx.get(f"{platform.url}/openapi.json", timeout=60).json()


def test_a_token_for_scripts_is_a_jwt_of_the_same_user(platform: RunningPlatform, alice: httpx.Client) -> None:
    made = alice.post("auth/token", json={"expires_seconds": 120}).json()
    assert made["token"].count(".") == 2
    answer = httpx.get(
        f"{platform.url}/api/v1/auth/whoami", headers={"Authorization": f"Bearer {made['token']}"}, timeout=60
    )
    assert answer.json()["name"] == "alice" and not answer.json()["admin"]
    refused(alice.post("auth/token", json={"expires_seconds": 1}), 422, "invalid")


def test_a_cookie_acts_only_from_our_own_pages(platform: RunningPlatform, alice: httpx.Client) -> None:
    token = alice.headers["authorization"].removeprefix("Bearer ")
    cookies = {"orrery-session": token}
    with httpx.Client(base_url=f"{platform.url}/api/v1/", cookies=cookies, timeout=60) as browser:
        assert browser.get("auth/whoami").status_code == 200
        refused(browser.post("experiments", json={"name": "x"}), 403, "forbidden")
        foreign = {"Sec-Fetch-Site": "cross-site"}
        refused(browser.post("experiments", json={"name": "x"}, headers=foreign), 403, "forbidden")
        own = browser.post("experiments", json={"name": "from-page"}, headers={"Sec-Fetch-Site": "same-origin"})
        assert own.status_code == 201


def test_a_dataset_is_read_and_published(iris: Any, alice: httpx.Client) -> None:
    outputs = iris["status"]["outputs"]
    assert iris["status"]["phase"] == "READY"
    assert (outputs["rows"], outputs["columns"]) == (60, ["width", "height", "species"])
    assert outputs["content"]["preview"][0] == {"width": 0, "height": 0, "species": "no"}
    version = alice.get("dataset-versions/iris@1").json()
    assert version["status"]["phase"] == "PUBLISHED"
    assert wait_until(lambda: alice.get("datasets/iris").json()["status"]["outputs"].get("latest_version")) == 1
    refused(alice.patch(f"dataset-versions/{version['id']}", json={"spec": {"files": []}}), 422, "invalid")
    refused(alice.post("datasets/iris/publish"), 409, "wrong_phase")
    assert alice.get("datasets/iris/files/data.csv").content == CSV
    archive = alice.get("dataset-versions/iris@1/archive")
    assert archive.headers["content-type"] == "application/zip" and archive.content[:2] == b"PK"


@pytest.mark.parametrize(
    ("content", "path", "said"),
    [
        (b"a,b\n1,2\n3\n", "ragged.csv", "3"),
        (b"a,a\n1,2\n", "twice.csv", "a"),
        ("a,b\n1,é\n".encode("latin-1") + b"\xff\xfe\x81", "latin.csv", "UTF-8"),
        (b"\n\n", "blank.csv", "blank.csv"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00binary\x00", "image.csv", "image.csv"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_place(
    alice: httpx.Client, content: bytes, path: str, said: str
) -> None:
    name = path.partition(".")[0]
    dataset = create_dataset(alice, name, content, path=path)
    assert dataset["status"]["phase"] == "FAILED", dataset["status"]
    assert said.lower() in dataset["status"]["message"].lower(), dataset["status"]["message"]
    refused(alice.get(f"dataset-versions/{name}"), 404, "not_found")
    assert alice.delete(f"datasets/{name}").status_code == 200


def test_an_empty_file_is_refused_at_once(alice: httpx.Client) -> None:
    stored = put_object(alice, b"")
    files = [{"path": "empty.csv", "oid": stored["oid"], "size": 0}]
    error = refused(alice.post("datasets", json={"name": "empty", "spec": {"files": files}}), 422, "invalid")
    assert "'empty.csv' is empty" in error["message"]
    refused(alice.get("datasets/empty"), 404, "not_found")


def test_a_file_never_uploaded_is_refused(alice: httpx.Client) -> None:
    files = [{"path": "a.csv", "oid": "0" * 64, "size": 3}]
    error = refused(alice.post("datasets", json={"name": "ghost", "spec": {"files": files}}), 422, "invalid")
    assert "never uploaded" in error["message"]


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"parameters": {"target": "speces"}}, "spec.parameters.target", "did you mean 'species'?"),
        ({"parameters": {"target": "species", "max_iter": -3}}, "spec.parameters.max_iter", "-3"),
        ({"parameters": {"target": "species", "max_itr": 3}}, "spec.parameters.max_itr", "max_iter"),
        ({"parameters": {f"p{i}": 1 for i in range(101)}}, "spec.parameters", "101 hyperparameters"),
        ({"algorithm": "xgbost"}, "spec.algorithm", "did you mean 'xgboost'?"),
        ({"datasets": {"train": "irs"}}, "spec.datasets.train", "did you mean 'iris'?"),
        ({"datasets": {"train": "iris@7"}}, "spec.datasets.train", "'iris@7' does not exist"),
        ({"datasets": {}}, "spec.datasets.train", "needs a dataset 'train'"),
        ({"datasets": {"train": "iris", "extra": "iris"}}, "spec.datasets.extra", "knows no dataset 'extra'"),
        ({"instance_type": "gpu-huge"}, "spec.instance_type", "'gpu-huge' is unknown"),
        ({"priority": "URGENT"}, "spec.priority", "'URGENT'"),
        ({"max_seconds": 0}, "spec.max_seconds", "must be at least 1, not 0"),
        ({"experiment": "none-such"}, "spec.experiment", "'none-such' does not exist"),
        ({"epochs": 3}, "spec.epochs", "there is no such field"),
        ({"max_second": 3}, "spec.max_second", "did you mean 'max_seconds'?"),
    ],
)
def test_a_bad_training_names_the_field_the_value_and_the_remedy(
    iris: Any, alice: httpx.Client, changes: dict[str, Any], path: str, said: str
) -> None:
    error = refused(alice.post("trainings", json=training("bad", **changes)), 422, "invalid")
    fields = {field["path"]: field["message"] for field in error["details"]["fields"]}
    assert path in fields, fields
    assert said in fields[path] or said in error["message"], error
    refused(alice.get("trainings/bad"), 404, "not_found")


def test_a_class_with_one_member_is_refused(alice: httpx.Client) -> None:
    create_dataset(alice, "lonely", b"x,y\n" + b"1,a\n2,b\n" * 20 + b"3,c\n")
    body = training("lonely", datasets={"train": "lonely"}, parameters={"target": "y"})
    error = refused(alice.post("trainings", json=body), 422, "invalid")
    assert "class 'c' of target 'y'" in error["message"] and "only 1 row" in error["message"]


def test_an_unpublished_dataset_says_how_to_publish_it(alice: httpx.Client) -> None:
    create_dataset(alice, "draft", CSV, publish=False)
    error = refused(alice.post("trainings", json=training("draft", datasets={"train": "draft"})), 422, "invalid")
    assert "has no published version" in error["message"] and "orrery dataset publish draft" in error["message"]
    published = alice.post("datasets/draft/publish", json={"description": "first"})
    assert published.status_code == 201, published.text
    assert alice.get("dataset-versions/draft@1").json()["description"] == "first"


def test_a_body_that_is_not_json(alice: httpx.Client) -> None:
    error = refused(
        alice.post("trainings", content=b"{not json", headers={"Content-Type": "application/json"}), 400, "bad_json"
    )
    assert "not JSON" in error["message"]


def test_a_name_in_use_is_refused(alice: httpx.Client) -> None:
    assert alice.post("experiments", json={"name": "taken"}).status_code == 201
    error = refused(alice.post("experiments", json={"name": "taken"}), 409, "name_taken")
    assert "taken exists already" in error["message"]


def test_an_enormous_content_length_is_refused_before_it_is_read(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    where = urlsplit(platform.url)
    for path, limit in (("/api/v1/trainings", 10 << 30), ("/api/v1/objects", 10 << 40)):
        head = (
            f"{'PUT' if 'objects' in path else 'POST'} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        )
        head += f"Authorization: {alice.headers['authorization']}\r\nContent-Length: {limit}\r\n\r\n"
        with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
            connection.sendall(head.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        assert answer.startswith("HTTP/1.1 413"), answer
        assert "too_large" in answer


def test_an_idempotency_key_makes_a_create_safe_to_repeat(alice: httpx.Client) -> None:
    headers = {"Idempotency-Key": "abc"}
    first = alice.post("experiments", json={"name": "once"}, headers=headers)
    again = alice.post("experiments", json={"name": "once"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    refused(alice.post("experiments", json={"name": "other"}, headers=headers), 409, "stale")


def test_an_etag_guards_a_change(alice: httpx.Client) -> None:
    alice.post("experiments", json={"name": "guarded"})
    current = wait_settled(alice, "experiments", "guarded")
    changed = alice.patch(
        "experiments/guarded", json={"description": "new"}, headers={"If-Match": f'"{current["etag"]}"'}
    )
    assert changed.json()["description"] == "new"
    stale = alice.patch("experiments/guarded", json={"description": "x"}, headers={"If-Match": f'"{current["etag"]}"'})
    refused(stale, 409, "stale")


def test_nobody_reaches_what_is_not_theirs_through_any_door(iris: Any, alice: httpx.Client, bob: httpx.Client) -> None:
    identifier = iris["id"]
    for path in (
        "",
        "/files",
        "/files/data.csv",
        "/archive",
        "/logs",
        "/metrics",
        "/usage",
        "/notebook",
        "/dependents",
        "/references",
    ):
        refused(bob.get(f"datasets/{identifier}{path}"), 404, "not_found")
    refused(bob.get("datasets/by-name/alice/iris"), 404, "not_found")
    refused(bob.patch(f"datasets/{identifier}", json={"description": "mine"}), 404, "not_found")
    refused(bob.delete(f"datasets/{identifier}"), 404, "not_found")
    for action in ("publish", "retry", "restore"):
        refused(bob.post(f"datasets/{identifier}/{action}"), 404, "not_found")
    assert bob.get("datasets").json()["items"] == []
    body = training("theft", datasets={"train": "alice/iris@1"})
    error = refused(bob.post("trainings", json=body), 422, "invalid")
    assert "does not exist, or you may not see it" in error["message"]


def test_visibility_opens_to_a_group_and_to_all(
    platform: RunningPlatform, alice: httpx.Client, bob: httpx.Client
) -> None:
    alice.post("experiments", json={"name": "shown"})
    wait_settled(alice, "experiments", "shown")
    refused(alice.patch("experiments/shown", json={"visibility": "group", "group": "not-mine"}), 422, "invalid")
    assert alice.patch("experiments/shown", json={"visibility": "group", "group": "lab"}).status_code == 200
    with platform.client("carol", groups=("lab",)) as carol:
        assert carol.get("experiments/alice%2Fshown").status_code in (200, 404)
        assert carol.get("experiments/by-name/alice/shown").status_code == 200
        refused(
            carol.patch(f"experiments/{carol.get('experiments/by-name/alice/shown').json()['id']}", json={}),
            403,
            "forbidden",
        )
    refused(bob.get("experiments/by-name/alice/shown"), 404, "not_found")
    alice.patch("experiments/shown", json={"visibility": "public"})
    assert bob.get("experiments/by-name/alice/shown").status_code == 200


def test_trash_restore_and_the_refusal_to_delete_what_is_used(alice: httpx.Client) -> None:
    create_dataset(alice, "graph", CSV)
    error = refused(alice.delete("datasets/graph"), 409, "in_use")
    assert [(d["kind"], d["name"], d["version"]) for d in error["details"]["dependents"]] == [
        ("dataset-version", "graph", 1)
    ]
    listed = alice.get("datasets/graph/dependents?deep=1").json()
    assert [item["kind"] for item in listed["items"]] == ["dataset-version"]
    refused(alice.delete("datasets/graph?cascade=1&preview=0000"), 409, "stale")
    moved = alice.delete(f"datasets/graph?cascade=1&preview={listed['digest']}").json()["items"]
    assert {item["kind"] for item in moved} == {"dataset", "dataset-version"}
    refused(alice.get("dataset-versions/graph@9"), 404, "not_found")
    trashed = alice.get("datasets?trashed=1&name=graph").json()["items"]
    assert len(trashed) == 1 and trashed[0]["deleted_at"]
    version = alice.get("dataset-versions?trashed=1&name=graph").json()["items"][0]
    refused(alice.post(f"dataset-versions/{version['id']}/restore"), 409, "wrong_phase")
    assert alice.post(f"datasets/{trashed[0]['id']}/restore").status_code == 200
    assert alice.post(f"dataset-versions/{version['id']}/restore").status_code == 200
    assert alice.get("dataset-versions/graph@1/files/data.csv").content == CSV


def test_a_restore_under_a_name_that_is_taken_says_what_to_do(alice: httpx.Client) -> None:
    first = alice.post("experiments", json={"name": "twice"}).json()
    wait_settled(alice, "experiments", first["id"])
    alice.delete(f"experiments/{first['id']}").raise_for_status()
    alice.post("experiments", json={"name": "twice"}).raise_for_status()
    error = refused(alice.post(f"experiments/{first['id']}/restore"), 409, "name_taken")
    assert error["message"].endswith("its name is another's by now; rename or delete that one first")
    wait_settled(alice, "experiments", "twice")
    alice.patch("experiments/twice", json={"name": "thrice"}).raise_for_status()
    assert alice.post(f"experiments/{first['id']}/restore").status_code == 200


def test_batch_answers_each_operation_separately(alice: httpx.Client) -> None:
    operations = [
        {"method": "POST", "path": "/experiments", "body": {"name": "b1"}},
        {"method": "POST", "path": "/experiments", "body": {"name": "b1"}},
        {"method": "GET", "path": "/experiments/b1"},
        {"method": "DELETE", "path": "/experiments/nope"},
    ]
    results = alice.post("batch", json={"operations": operations}).json()["results"]
    assert [result["status"] for result in results] == [201, 409, 200, 404]
    assert results[2]["body"]["name"] == "b1"
    refused(alice.post("batch", json={"operations": [{"method": "POST", "path": "/batch"}]}), 422, "invalid")


def test_events_stream_what_one_may_see_and_resume(alice: httpx.Client, bob: httpx.Client) -> None:
    def read(client: httpx.Client, headers: dict[str, str], names: set[str]) -> list[tuple[str, dict[str, Any]]]:
        """The (id, data) of resource events until one about each of `names` has come."""
        seen: list[tuple[str, dict[str, Any]]] = []
        accept = {"Accept": "text/event-stream", **headers}
        with client.stream("GET", "events?kinds=experiment", headers=accept) as stream:
            current = ""
            for line in stream.iter_lines():
                if line.startswith("id: "):
                    current = line.removeprefix("id: ")
                elif line.startswith("data: {") and len(line) > 10:
                    seen.append((current, json.loads(line.removeprefix("data: "))))
                    if names <= {data["resource"]["name"] for _, data in seen}:
                        return seen
        return seen

    alice.post("experiments", json={"name": "first-event"})
    bob.post("experiments", json={"name": "bobs-event"})
    alice.post("experiments", json={"name": "second-event"})
    seen = read(alice, {"Last-Event-ID": "0"}, {"first-event", "second-event"})
    assert "bobs-event" not in {data["resource"]["name"] for _, data in seen}
    first = next(identifier for identifier, data in seen if data["resource"]["name"] == "first-event")
    alice.patch("experiments/second-event", json={"description": "changed"})
    resumed = read(alice, {"Last-Event-ID": first}, {"second-event"})
    assert all(int(identifier) > int(first) for identifier, _ in resumed)
    with alice.stream("GET", "events", headers={"Last-Event-ID": "999999999"}) as stream:
        assert "event: reset" in next(chunk for chunk in stream.iter_text() if "event:" in chunk)


def test_a_list_is_paged_filtered_and_counted(platform: RunningPlatform) -> None:
    with platform.client("dora") as dora:
        operations = [
            {
                "method": "POST",
                "path": "/experiments",
                "body": {"name": f"e{i:02}", "tags": ["even" if i % 2 == 0 else "odd"]},
            }
            for i in range(30)
        ]
        dora.post("batch", json={"operations": operations})
        first = dora.get("experiments?owner=dora&limit=20&order=name&total=1").json()
        assert (len(first["items"]), first["total"]) == (20, 30)
        second = dora.get(
            "experiments", params={"owner": "dora", "limit": 20, "order": "name", "cursor": first["next"]}
        ).json()
        assert [item["name"] for item in second["items"]] == [f"e{i:02}" for i in range(20, 30)]
        assert second["next"] is None
        assert len(dora.get("experiments?tag=odd").json()["items"]) == 15
        assert [item["name"] for item in dora.get("experiments?q=E07").json()["items"]] == ["e07"]
        wait_until(lambda: len(dora.get("experiments?owner=dora&state=Active").json()["items"]) == 30)
        refused(dora.get("experiments?state=Sleepy"), 422, "invalid")
        refused(dora.get("experiments?limit=100000"), 422, "invalid")


def test_unknown_places_say_so(alice: httpx.Client) -> None:
    refused(alice.get("planets"), 404, "not_found")
    refused(alice.get("planets/x/logs"), 404, "not_found")
    refused(alice.post("experiments/nope/retry"), 404, "not_found")
    refused(alice.put("experiments"), 405, "method_not_allowed")


def test_what_ships_belongs_to_nobody(alice: httpx.Client) -> None:
    found = {item["name"]: item for item in alice.get("algorithms").json()["items"]}
    assert {"xgboost", "logistic-regression"} <= found.keys()
    refused(alice.delete(f"algorithms/{found['xgboost']['id']}"), 403, "forbidden")
    notebook = alice.get("algorithms/xgboost/notebook").json()
    assert notebook["nbformat"] == 4
    refused(alice.patch(f"algorithms/{found['xgboost']['id']}", json={"spec": {"title": "mine"}}), 403, "forbidden")
    refused(alice.post("algorithms", json={"name": "x", "owner": "orrery", "spec": {}}), 422, "invalid")


def test_the_platform_describes_itself(alice: httpx.Client) -> None:
    answer = alice.get("kinds").json()
    assert answer["goals"].keys() == {"minimize", "maximize"}
    kinds = {kind["kind"]: kind for kind in answer["items"]}
    assert kinds.keys() >= {"dataset", "training", "model", "endpoint", "experiment", "algorithm", "dataset-version"}
    assert kinds["training"]["spec_schema"]["properties"]["algorithm"]["x-orrery-ref"] == "algorithm"
    types = {item["name"]: item for item in alice.get("instance-types").json()["items"]}
    assert types["cpu-small"]["fits"]
    assert alice.get("queue").json()["capacity"]["total"]["cores"] >= 1
    assert alice.get("overview").json()["counts"]["algorithm"]["Active"] >= 2


def test_a_hash_is_no_key_to_anothers_file(iris: Any, alice: httpx.Client, bob: httpx.Client) -> None:
    files = iris["spec"]["files"]
    error = refused(bob.post("datasets", json={"name": "stolen", "spec": {"files": files}}), 422, "invalid")
    assert "never uploaded" in error["message"]
    assert alice.post("datasets", json={"name": "twin", "spec": {"files": files}}).status_code == 201
    put_object(bob, CSV)
    assert bob.post("datasets", json={"name": "own", "spec": {"files": files}}).status_code == 201
