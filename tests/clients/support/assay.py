"""Reads back from the server what a client sent: runs, and the conversation of a thread."""

import json
import os
import time
import urllib.parse
import urllib.request

URL = os.environ.get("ASSAY_URL", "http://127.0.0.1:1984")


def request(method, path, body=None):
    """Asks the server and returns the JSON of its answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "x-api-key": os.environ.get("LANGSMITH_API_KEY", "test")}
    asked = urllib.request.Request(URL + path, data, headers, method=method)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def project_id(name):
    found = request("GET", "/api/v1/sessions?" + urllib.parse.urlencode({"name": name}))
    assert found, f"no project {name}"
    return found[0]["id"]


def runs(project, **query):
    """All runs of a project, in the order of their traces."""
    body = {"session": [project_id(project)], "order": "asc", "limit": 100, **query}
    found = []
    while True:
        page = request("POST", "/api/v1/runs/query", body)
        found += page["runs"]
        body["cursor"] = (page.get("cursors") or {}).get("next")
        if not body["cursor"]:
            return sorted(found, key=lambda run: run["dotted_order"])


def tree(project):
    """The runs of a project as nested (name, run type, [children])."""
    everything = runs(project)
    known = {run["id"] for run in everything}

    def below(parent):
        return [
            (run["name"], run["run_type"], below(run["id"]))
            for run in everything
            if run.get("parent_run_id") == parent
        ]

    strays = [run["name"] for run in everything if run.get("parent_run_id") and run["parent_run_id"] not in known]
    assert not strays, f"runs whose parent is missing: {strays}"
    return below(None)


def conversation(project, thread):
    """What was said in a thread: (role, text), and for tool calls (role, name, arguments)."""
    path = f"/api/v1/threads/{urllib.parse.quote(str(thread), safe='')}/messages"
    found = request("GET", path + "?" + urllib.parse.urlencode({"project": project}))
    assert found["thread_id"] == str(thread)
    return [line for message in found["messages"] for line in said(message)]


def said(message):
    text = message["content"]
    if isinstance(text, list):
        text = "\n".join(part["text"] for part in text if part.get("type") == "text")
    if text:
        yield (message["role"], text)
    for call in message.get("tool_calls") or []:
        yield (message["role"], call["name"], call["arguments"])


def until(condition, seconds=20.0):
    """Waits for a condition of which no client says when it holds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            assert value, "the condition did not hold in time"
            return value
        time.sleep(0.05)
