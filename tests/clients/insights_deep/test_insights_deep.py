"""Insights with language models through LangSmith's Python SDK: 1,000 real histories in, a report by a model out.

The models are those of the stand-in; the SDK hands its key to the server as a user's would.
"""

import gzip
import itertools
import json
import os
import pathlib
import urllib.request
import uuid

import assay
import pytest
from langsmith import Client

COUNT = 1000
KEY = os.environ.get("ASSAY_STANDIN_KEY", "")


def histories():
    """Real conversations where they are at hand, else made-up ones."""
    file = pathlib.Path(os.environ.get("ASSAY_SHARED", "")) / "data" / "sgd" / "threads.jsonl.gz"
    if file.exists():
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            return [json.loads(line)["messages"] for line in itertools.islice(lines, COUNT)]
    kinds = ["refund for order", "hotel room for night", "dentist near street", "song by band", "bus to town"]
    return [
        [
            {"role": "user", "content": f"I need a {kinds[number % len(kinds)]} {number}"},
            {"role": "assistant", "content": "Done. Is there anything else?"},
        ]
        for number in range(COUNT)
    ]


def calls():
    with urllib.request.urlopen(os.environ["ASSAY_MODEL_CALLS"], timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def client():
    return Client()


@pytest.fixture(scope="module")
def finished(client):
    name = f"deep-{uuid.uuid4().hex[:8]}"
    made = client.generate_insights(
        chat_histories=histories(), name=name, instructions="What do people want booked?", openai_api_key=KEY
    )
    assert made.name == name and made.status in ("queued", "running", "success")
    return client.poll_insights(report=made, rate=1, timeout=800)


def test_every_history_is_read_by_the_model_and_paid_once(client, finished):
    assert finished.status == "success"
    job = assay.request("GET", f"/api/v1/sessions/{finished.project_id}/insights/{finished.id}")
    told = job["metadata"]
    assert told["tier"] == "deep" and told["not_applied"] == []
    assert told["spend"]["stages"]["summarize"]["calls"] >= COUNT * 0.9, told
    assert told["spend"]["calls"] == calls()["outcomes"]["answered"]


def test_the_report_and_the_traces_of_every_cluster_are_read_back(client, finished):
    report = client.get_insights_report(report=finished)
    assert len(report.runs) == COUNT and len({run["id"] for run in report.runs}) == COUNT
    assert sum(report.shape.values()) == COUNT
    assert report.report.title and report.report.key_points
    assert all(trace.rank >= 1 and trace.highlight_reason for trace in report.report.highlighted_traces)
    leaves = [cluster for cluster in report.clusters if cluster.level == 0]
    assert sum(cluster.num_runs for cluster in leaves) == COUNT
    for cluster in report.clusters:
        traces = report.clusters[cluster.name].load_traces()
        assert len(traces) == cluster.num_runs
        assert all(trace["summary"] for trace in traces)


def test_the_same_again_costs_nothing(client, finished):
    before = calls()["calls"]
    path = f"/api/v1/sessions/{finished.project_id}/insights"
    first = assay.request("GET", f"{path}/{finished.id}")["metadata"]["request"]
    window = assay.request("GET", f"{path}/{finished.id}")
    body = {"user_context": first["user_context"], "model": "openai"}
    body |= {"start_time": window["start_time"], "end_time": window["end_time"]}
    made = assay.request("POST", path, body)
    again = client.poll_insights(id=made["id"], project_id=finished.project_id, rate=1, timeout=800)
    assert again.status == "success" and calls()["calls"] == before


def test_configs_are_drafted_by_the_model_and_tried_on_five_threads(finished):
    path = f"/api/v1/sessions/{finished.project_id}/insights/configs"
    words = {"What would you like to learn about your agent?": "Which services are booked?"}
    draft = assay.request("POST", f"{path}/generate", {"user_context": words})
    assert draft["generated_by"].startswith("openai/") and "{{" in draft["summary_prompt"]
    config = {key: draft[key] for key in ("summary_prompt", "attribute_schemas")}
    seen = assay.request("POST", f"{path}/preview", config)
    assert len(seen["threads"]) == 5 and all(thread["summary"] for thread in seen["threads"])
