"""Applications that know nothing of LangSmith: OpenTelemetry's exporters with two families of instrumentations."""

import os
import pathlib
import subprocess
import sys

import pytest
from assay import conversation, runs

HERE = pathlib.Path(__file__).parent
SAID = [
    ("system", "You are terse."),
    ("user", "How is the weather in Paris?"),
    ("assistant", "get_weather", {"city": "Paris"}),
    ("tool", "sunny"),
    ("assistant", "It is sunny in Paris."),
    ("user", "Thank you, terse friend"),
    ("assistant", "You said: Thank you, terse friend"),
]


def run_app(*command, **variables):
    paths = [str(HERE.parent / "support"), str(HERE.parent / "langchain")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Only OpenTelemetry traces here, and it reports to nobody else.
        "LANGSMITH_TRACING": "false",
        "TRACELOOP_TELEMETRY": "false",
        "TRACELOOP_METRICS_ENABLED": "false",
        "OTEL_SERVICE_NAME": "weather-app",
        **variables,
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    # Exporters only log what the server refused.
    assert "Failed to export" not in done.stderr, done.stderr


def python_app(instrumentation, transport, client, stand_in, project, thread):
    arguments = [instrumentation, transport, client, stand_in.url, project, thread]
    run_app(sys.executable, str(HERE / "app.py"), *arguments)


def check(project, thread, *, said=SAID):
    assert conversation(project, thread) == said
    roots = runs(project, is_root=True)
    assert len(roots) == 2
    assert all(root["status"] == "success" and root["thread_id"] == thread for root in roots)
    everything = runs(project)
    trace = [run for run in everything if run["trace_id"] == roots[0]["trace_id"]]
    found = [run["run_type"] for run in sorted(trace, key=lambda run: run["start_time"])]
    assert found.count("llm") == 2, found
    assert found.count("tool") == 1, found
    return everything


CLIENTS = ["openai", "openai-stream", "responses", "anthropic", "anthropic-stream", "langchain"]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("instrumentation", ["openinference", "traceloop"])
def test_an_instrumented_agent_is_a_conversation(instrumentation, client, stand_in, project, thread):
    python_app(instrumentation, "http", client, stand_in, project, thread)
    # Traceloop's instrumentation of LangChain does not send what the model was asked, but only what the graph was.
    is_prompt_missing = (instrumentation, client) == ("traceloop", "langchain")
    everything = check(project, thread, said=SAID[1:] if is_prompt_missing else SAID)
    models = [run for run in everything if run["run_type"] == "llm"]
    assert all(run["total_tokens"] > 0 for run in models)
    if client == "openai":
        # 8 words were asked, none answered, which counts as one.
        first = models[0]
        assert (first["prompt_tokens"], first["completion_tokens"]) == (9, 1)
        assert first["prompt_token_details"]["cache_read"] == 3
        assert float(first["total_cost"]) > 0
    for root in (run for run in everything if run.get("parent_run_id") is None):
        below = [run for run in models if run["trace_id"] == root["trace_id"]]
        assert root["total_tokens"] == sum(run["total_tokens"] for run in below)


@pytest.mark.parametrize("instrumentation", ["openinference", "traceloop"])
def test_the_same_over_grpc(instrumentation, stand_in, project, thread):
    python_app(instrumentation, "grpc", "openai", stand_in, project, thread)
    check(project, thread)


@pytest.mark.parametrize("transport", ["json", "protobuf"])
def test_the_same_from_node(transport, stand_in, project, thread):
    run_app("node", str(HERE / "app.mjs"), transport, stand_in.url, project, thread)
    check(project, thread)


@pytest.mark.parametrize("mode", ["otel", "hybrid"])
def test_the_sdk_over_opentelemetry_is_a_conversation(mode, project, thread):
    """`hybrid` sends each run twice, once as a run and once as a span: what was said is said once."""
    app = """
import sys
from langsmith import Client, traceable
from langsmith.run_helpers import tracing_context
client = Client()
@traceable(run_type="llm", client=client)
def model(messages):
    return {"role": "assistant", "content": "You said: " + messages[-1]["content"]}
@traceable(client=client)
def agent(messages):
    return model(messages)
with tracing_context(project_name=sys.argv[1], enabled=True):
    extra = {"metadata": {"thread_id": sys.argv[2]}, "project_name": sys.argv[1]}
    agent([{"role": "user", "content": "Hello"}], langsmith_extra=extra)
client.flush()
from opentelemetry import trace
provider = trace.get_tracer_provider()
getattr(provider, "force_flush", lambda: None)()
"""
    switch = "LANGSMITH_OTEL_ONLY" if mode == "otel" else "LANGSMITH_OTEL_ENABLED"
    run_app(sys.executable, "-c", app, project, thread, **{switch: "true"})
    assert conversation(project, thread) == [("user", "Hello"), ("assistant", "You said: Hello")]
