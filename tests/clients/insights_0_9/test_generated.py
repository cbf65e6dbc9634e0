"""Insights through the client that LangSmith's SDK 0.9.0 has from the description of the API; later ones have none.

First without any provider's key, then with the stand-in's. The client refuses answers of another shape than described.
"""

import datetime
import itertools
import os
import time
import uuid

import assay
import langsmith
import pytest
from langsmith._openapi_client import (
    AsyncLangsmith,
    BadRequestError,
    Langsmith,
    NotFoundError,
    UnprocessableEntityError,
)

COUNT = 240
KEY = os.environ.get("ASSAY_STANDIN_KEY", "")
OPTIONS = {"base_url": assay.URL, "_strict_response_validation": True}
# What people ask a made-up agent for, with something that differs, and what it says.
SAID = [
    ("I want my money back for order {}", "The money is on its way to your bank."),
    ("I forgot my password, account {}", "A new password was sent by mail."),
    ("Book a hotel room for {} nights", "The room is booked at the Astoria."),
    ("Will it rain on day {}?", "Sunshine all day long, no umbrella needed."),
    ("Please refund order {}", "The refund reaches your bank on Monday."),
    ("Reset the password of account {}", "The password is reset, look into your mail."),
    ("Find me a cheap hotel, {} nights", "The Astoria has a room, shall I book it?"),
    ("What is the forecast for day {}?", "Showers in the morning, sunshine later."),
]


def finished(insights, made, session):
    """The job when it is over, asked for as one would: again and again."""
    deadline = time.monotonic() + 100
    while (job := insights.retrieve_job(made.id, session_id=session)).status in ("queued", "pending", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.2)
    assert (job.status, job.error) == ("success", None), job
    return job


def members(insights, job, session, **query):
    """All runs of a job, from one offset to the next."""
    found, offset = [], 0
    while offset is not None:
        page = insights.retrieve_runs(job.id, session_id=session, offset=offset, **query)
        assert page.runs or not found
        found, offset = found + page.runs, page.offset
    return found


@pytest.fixture(scope="module")
def insights():
    with Langsmith(**OPTIONS) as client:
        yield client.sessions.insights


@pytest.fixture(scope="module")
def session():
    """A project of threads with a question and an answer each, sent by the older SDK."""
    assert langsmith.__version__ == "0.9.0"
    project = f"generated-{uuid.uuid4().hex[:8]}"
    client = langsmith.Client()
    for number, (question, answer) in zip(range(COUNT), itertools.cycle(SAID)):
        client.create_run(
            "agent",
            {"messages": [{"role": "user", "content": question.format(number)}]},
            "chain",
            id=uuid.uuid4(),
            project_name=project,
            start_time=datetime.datetime.now(datetime.timezone.utc),
            end_time=datetime.datetime.now(datetime.timezone.utc),
            outputs={"messages": [{"role": "assistant", "content": answer}]},
            extra={"metadata": {"thread_id": f"thread-{number}"}},
        )
    client.flush()
    return assay.project_id(project)


@pytest.fixture(scope="module")
def local(insights, session):
    """A report for which there was no key."""
    made = insights.create(session, name="without a key", last_n_hours=1, sample=COUNT)
    assert made.name == "without a key" and made.status in ("queued", "running", "success")
    return finished(insights, made, session)


@pytest.fixture(scope="module")
def deep(insights, session, local):
    """A report by the stand-in's models, whose key the server is given after the report without one."""
    assay.request("POST", "/api/v1/workspaces/current/secrets", [{"key": "OPENAI_API_KEY", "value": KEY}])
    made = insights.create(
        session,
        name="with a key",
        model="openai",
        start_time=local.start_time,
        end_time=local.end_time,
        user_context={"What would you like to learn about your agent?": "What do people want?"},
        attribute_schemas={"urgency": {"type": "integer", "description": "How urgent it is, from 1 to 5"}},
        validate_model_secrets=True,
    )
    return finished(insights, made, session)


def check(job):
    """What a report says of itself fits together."""
    assert job.start_time < job.end_time and job.created_at.tzinfo
    assert sum(job.shape.values()) == COUNT
    leaves = [cluster for cluster in job.clusters if cluster.level == 0]
    assert len(leaves) >= 2 and sum(cluster.num_runs for cluster in leaves) == COUNT
    known = {cluster.id: cluster for cluster in job.clusters}
    for cluster in job.clusters:
        assert cluster.name and cluster.description and cluster.stats["run_count"] == cluster.num_runs
        if cluster.parent_id:
            assert known[cluster.parent_id].name == cluster.parent_name
    assert {cluster.name for cluster in job.clusters if not cluster.parent_id} == set(job.shape)
    assert job.report.title and job.report.key_points and job.report.created_at
    traces = job.report.highlighted_traces
    assert [trace.rank for trace in traces] == list(range(1, len(traces) + 1))
    assert all(trace.run_id and trace.highlight_reason for trace in traces)


def test_a_report_is_made_without_a_key(local):
    assert local.metadata["tier"] == "local" and local.metadata["spend"]["calls"] == 0
    assert len(local.shape) >= 3
    check(local)


def test_a_report_is_made_by_models(deep):
    assert deep.metadata["tier"] == "deep" and deep.metadata["spend"]["calls"] > 0
    check(deep)
    assert all(trace.summary for trace in deep.report.highlighted_traces)


def test_the_runs_of_a_report_and_of_each_cluster_are_read(insights, session, local):
    first = insights.retrieve_runs(local.id, session_id=session)
    assert (len(first.runs), first.offset) == (100, 100)
    everything = members(insights, local, session)
    assert len({run["id"] for run in everything}) == len(everything) == COUNT
    for cluster in local.clusters:
        runs = members(insights, local, session, cluster_id=cluster.id, limit=50)
        assert len({run["id"] for run in runs}) == len(runs) == cluster.num_runs
        assert all(run["summary"] for run in runs)


def test_runs_are_sorted_by_an_attribute(insights, session, deep):
    for order, backwards in (("asc", False), ("desc", True)):
        runs = members(insights, deep, session, attribute_sort_key="urgency", attribute_sort_order=order)
        told = [run["attributes"]["urgency"] for run in runs if run["attributes"].get("urgency") is not None]
        assert len(runs) == COUNT and told and told == sorted(told, reverse=backwards)


def test_reports_are_listed_page_after_page(insights, session, local, deep):
    jobs = list(insights.list(session, limit=1))
    assert [job.id for job in jobs] == [deep.id, local.id]
    assert (jobs[1].name, jobs[1].shape, jobs[1].created_at) == (local.name, local.shape, local.created_at)
    assert [job.id for job in insights.list(session, offset=1)] == [local.id]
    assert not list(insights.list(session, config_id=str(uuid.uuid4())))


def test_a_report_is_renamed_and_deleted(insights, session, local):
    raw = insights.with_raw_response.create(session, sample=20, hierarchy=[4, 2])
    made = raw.parse()
    assert raw.status_code == 200 and made.name
    finished(insights, made, session)
    renamed = insights.update(made.id, session_id=session, name="another")
    assert (renamed.name, renamed.status) == ("another", "success")
    assert insights.retrieve_job(made.id, session_id=session).name == "another"
    gone = insights.delete(made.id, session_id=session)
    assert gone.id == made.id and gone.message
    with pytest.raises(NotFoundError):
        insights.retrieve_job(made.id, session_id=session)
    assert made.id not in [job.id for job in insights.list(session)]


def test_what_cannot_be_done_is_an_error_of_its_kind(insights, session, local):
    with pytest.raises(NotFoundError):
        insights.create(str(uuid.uuid4()))
    with pytest.raises(NotFoundError):
        insights.retrieve_runs(local.id, session_id=session, cluster_id=str(uuid.uuid4()))
    with pytest.raises(UnprocessableEntityError):
        insights.create(session, partitions={f"category {number}": "" for number in range(11)})
    with pytest.raises(UnprocessableEntityError):
        insights.retrieve_runs(local.id, session_id=session, limit=101)
    with pytest.raises(BadRequestError):
        insights.create(session, filter="eq(")


async def test_the_same_works_asynchronously(session, local):
    async with AsyncLangsmith(**OPTIONS) as client:
        insights = client.sessions.insights
        job = await insights.retrieve_job(local.id, session_id=session)
        assert job.clusters == local.clusters
        runs = await insights.retrieve_runs(local.id, session_id=session, limit=10)
        assert (len(runs.runs), runs.offset) == (10, 10)
        made = await insights.create(session, name="to be deleted", sample=10)
        assert made.id in [listed.id async for listed in insights.list(session, limit=1)]
        assert (await insights.update(made.id, session_id=session, name="renamed")).name == "renamed"
        assert (await insights.delete(made.id, session_id=session)).id == made.id
