"""Insights through LangSmith's Python SDK: histories go in, a report comes out. No key of a provider is set."""

import itertools
import os
import uuid

import assay
import pytest
from langsmith import Client

# What people ask a made-up agent for, with something that differs.
TOPICS = {
    "refund": ["I want my money back for order {}", "Please refund order {}", "How do I return order {}?"],
    "password": ["I forgot my password, account {}", "Reset the password of account {}", "I cannot sign in as {}"],
    "hotel": ["Book a hotel room for {} nights", "Find me a cheap hotel, {} nights", "Is a hotel room free for {}?"],
    "weather": ["Will it rain on day {}?", "What is the forecast for day {}?", "Is it sunny on day {}?"],
}


def histories(count):
    asked = itertools.cycle(itertools.chain.from_iterable(zip(*TOPICS.values())))
    for number, question in zip(range(count), asked):
        yield [
            {"role": "user", "content": question.format(number)},
            {"role": "assistant", "content": "Done. Is there anything else?"},
            {"role": "user", "content": "No, thank you."},
        ]


@pytest.fixture(scope="module")
def client():
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        os.environ.pop(name, None)
    return Client()


@pytest.fixture(scope="module")
def finished(client):
    """A report over 200 histories, and the name it was asked for under."""
    name = f"insights-{uuid.uuid4().hex[:8]}"
    made = client.generate_insights(chat_histories=list(histories(200)), name=name)
    assert made.name == name and made.status in ("queued", "running", "success")
    return client.poll_insights(report=made, rate=1, timeout=300), name


def test_a_report_over_histories_is_made_without_any_key(client, finished):
    done, name = finished
    assert (done.status, done.name) == ("success", name)
    report = client.get_insights_report(report=done)
    assert len(report.runs) == 200 and len({run["id"] for run in report.runs}) == 200
    assert sum(report.shape.values()) == 200
    assert report.report.title and report.report.key_points
    assert all(trace.rank >= 1 and trace.highlight_reason for trace in report.report.highlighted_traces)


def test_the_traces_of_every_cluster_are_loaded_and_are_as_many_as_it_says(client, finished):
    done, _ = finished
    report = client.get_insights_report(report=done, include_runs=False)
    names = [cluster.name for cluster in report.clusters]
    assert len(names) == len(set(names)) >= 3
    leaves = [cluster for cluster in report.clusters if cluster.level == 0]
    assert sum(cluster.num_runs for cluster in leaves) == 200
    for cluster in report.clusters:
        traces = report.clusters[cluster.name].load_traces()
        assert len(traces) == cluster.num_runs
        assert all(trace["summary"] and "attributes" in trace for trace in traces)


def test_histories_may_be_plain_texts_and_the_name_may_be_left_out(client):
    texts = ["how do I cancel my subscription?", "where is my parcel?", "my parcel is late"]
    made = client.generate_insights(chat_histories=texts, instructions="What do people ask for?")
    assert isinstance(made.name, str) and made.name
    done = client.poll_insights(id=made.id, project_id=made.project_id, rate=1, timeout=300)
    assert done.status == "success"


def test_jobs_are_listed_renamed_and_deleted(client, finished):
    done, _ = finished
    path = f"/api/v1/sessions/{done.project_id}/insights"
    listed = assay.request("GET", path)["clustering_jobs"]
    assert [job["id"] for job in listed] == [str(done.id)]
    for forbidden in ("project_id", "tenant_id", "host_url"):
        assert forbidden not in listed[0]
    made = assay.request("POST", path, {"name": "", "sample": 0.1})
    renamed = assay.request("PATCH", f"{path}/{made['id']}", {"name": "another"})
    assert renamed["name"] == "another"
    assert assay.request("DELETE", f"{path}/{made['id']}")["id"] == made["id"]
    assert len(assay.request("GET", path)["clustering_jobs"]) == 1


def test_configs_are_saved_generated_and_used(client, finished):
    done, _ = finished
    path = f"/api/v1/sessions/{done.project_id}/insights"
    prebuilt = assay.request("GET", f"{path}/configs?include_prebuilts=true")["configs"]
    assert [config["name"] for config in prebuilt[:2]] == ["Usage Patterns", "Error Analysis"]
    words = {"What would you like to learn about your agent?": "Where do users get frustrated?"}
    draft = assay.request("POST", f"{path}/configs/generate", {"user_context": words})
    assert "{{run.inputs}}" in draft["summary_prompt"] and isinstance(draft["attribute_schemas"], dict)
    config = {"summary_prompt": draft["summary_prompt"], "sample": 50, "hierarchy": [3, 12]}
    saved = assay.request("POST", f"{path}/configs", {"name": "mine", "config": config})
    made = assay.request("POST", path, {"config_id": saved["id"]})
    used = client.poll_insights(id=made["id"], project_id=done.project_id, rate=1, timeout=300)
    report = client.get_insights_report(report=used, include_runs=False)
    assert sum(report.shape.values()) == 50
    learned = assay.request("GET", f"{path}/configs")["configs"][0]["config"]["partitions"]
    assert learned and set(learned) <= set(report.shape)
    assay.request("DELETE", f"{path}/{made['id']}")
    assay.request("DELETE", f"{path}/configs/{saved['id']}")


def test_a_pager_that_counts_runs_and_ignores_offsets_sees_each_once(client, finished):
    """What the Go client does: it steps by 100 and stops at the first page that is not full."""
    done, _ = finished
    path = f"/api/v1/sessions/{done.project_id}/insights/{done.id}/runs"
    seen, offset = [], 0
    while True:
        page = assay.request("GET", f"{path}?limit=100&offset={offset}")["runs"]
        seen += [run["id"] for run in page]
        offset += 100
        if len(page) < 100:
            break
    assert len(seen) == len(set(seen)) == 200
