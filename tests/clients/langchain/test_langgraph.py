"""LangGraph agents: tools, memory, subgraphs, streaming, interrupts."""

import asyncio
import operator
from typing import Annotated, TypedDict

import pytest
from assay import conversation, runs, tree
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_core.tracers.langchain import wait_for_all_tracers
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt
from langsmith import tracing_context
from scripted import Scripted


@pytest.fixture(autouse=True)
def traced(project):
    with tracing_context(project_name=project, enabled=True):
        yield


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    if city == "Atlantis":
        raise ValueError("Atlantis is under water")
    return f"sunny in {city}"


def in_thread(thread):
    """How LangGraph's users name a thread."""
    return {"configurable": {"thread_id": thread}}


def agent(script):
    return create_agent(
        Scripted(script=script), [get_weather], system_prompt="You are terse.", checkpointer=InMemorySaver()
    )


def ask(graph, thread, text):
    return graph.invoke({"messages": [HumanMessage(text)]}, in_thread(thread))


WEATHER = [
    ("system", "You are terse."),
    ("user", "How is the weather in Paris?"),
    ("assistant", "get_weather", {"city": "Paris"}),
    ("tool", "sunny in Paris"),
    ("assistant", "It is sunny."),
]


def test_an_agent_with_a_tool_is_a_conversation(project, thread):
    graph = agent([("get_weather", {"city": "Paris"}), "It is sunny."])
    ask(graph, thread, "How is the weather in Paris?")
    wait_for_all_tracers()
    assert conversation(project, thread) == WEATHER
    kinds = [run["run_type"] for run in runs(project)]
    assert (kinds.count("llm"), kinds.count("tool")) == (2, 1)
    assert len(runs(project, is_root=True)) == 1


def test_the_memory_of_an_agent_is_not_said_twice(project, thread):
    graph = agent([("get_weather", {"city": "Paris"}), "It is sunny.", "You are welcome."])
    ask(graph, thread, "How is the weather in Paris?")
    ask(graph, thread, "Thank you!")
    wait_for_all_tracers()
    assert len(runs(project, is_root=True)) == 2
    assert conversation(project, thread) == [
        *WEATHER,
        ("user", "Thank you!"),
        ("assistant", "You are welcome."),
    ]


def test_a_streamed_agent_says_the_same(project, thread):
    graph = agent([("get_weather", {"city": "Paris"}), "It is sunny."])
    question = {"messages": [HumanMessage("How is the weather in Paris?")]}
    pieces = list(graph.stream(question, in_thread(thread), stream_mode="messages"))
    assert len(pieces) > 3
    wait_for_all_tracers()
    assert conversation(project, thread) == WEATHER
    answer = [run for run in runs(project) if run["run_type"] == "llm"][-1]
    assert answer["first_token_time"] is not None


async def test_an_asynchronous_agent_says_the_same(project, thread):
    graph = agent([("get_weather", {"city": "Paris"}), "It is sunny."])
    question = {"messages": [HumanMessage("How is the weather in Paris?")]}
    async for _ in graph.astream(question, in_thread(thread), stream_mode="updates"):
        pass
    wait_for_all_tracers()
    assert conversation(project, thread) == WEATHER


async def test_agents_that_run_at_once_keep_their_threads(project):
    threads = [f"thread-{number}" for number in range(10)]

    async def talk(thread):
        graph = agent([f"Hello, {thread}."])
        await graph.ainvoke({"messages": [HumanMessage(f"I am {thread}.")]}, in_thread(thread))

    await asyncio.gather(*(talk(thread) for thread in threads))
    wait_for_all_tracers()
    for thread in threads:
        assert conversation(project, thread) == [
            ("system", "You are terse."),
            ("user", f"I am {thread}."),
            ("assistant", f"Hello, {thread}."),
        ]


def test_a_failing_tool_fails_the_trace_and_keeps_what_was_said(project, thread):
    graph = agent([("get_weather", {"city": "Atlantis"})])
    with pytest.raises(ValueError, match="under water"):
        ask(graph, thread, "How is the weather in Atlantis?")
    wait_for_all_tracers()
    everything = runs(project)
    failed = next(run for run in everything if run["run_type"] == "tool")
    for run in (everything[0], failed):
        assert run["status"] == "error"
        assert "Atlantis is under water" in run["error"]
    said = conversation(project, thread)
    assert said[:3] == [
        ("system", "You are terse."),
        ("user", "How is the weather in Atlantis?"),
        ("assistant", "get_weather", {"city": "Atlantis"}),
    ]


class Numbers(TypedDict):
    found: Annotated[list, operator.add]


def leaf(name):
    def add(state):
        return {"found": [name]}

    return add


def test_graphs_in_graphs_keep_their_depth(project):
    inner = StateGraph(Numbers).add_node("deep", leaf("deep")).add_edge(START, "deep").add_edge("deep", END)
    middle = (
        StateGraph(Numbers)
        .add_node("inner", inner.compile(name="inner graph"))
        .add_edge(START, "inner")
        .add_edge("inner", END)
    )
    outer = (
        StateGraph(Numbers)
        .add_node("middle", middle.compile(name="middle graph"))
        .add_edge(START, "middle")
        .add_edge("middle", END)
    )
    assert outer.compile(name="outer graph").invoke({"found": []})["found"][-1] == "deep"
    wait_for_all_tracers()

    def path(nested):
        name, _, children = nested
        return [name, *path(children[0])] if children else [name]

    (root,) = tree(project)
    assert path(root)[0] == "outer graph"
    assert path(root)[-1] == "deep"
    assert len(path(root)) >= 4
    deep = next(run for run in runs(project) if run["name"] == "deep")
    assert len(deep["parent_run_ids"]) == len(path(root)) - 1


def test_a_fan_out_is_a_run_for_each_branch(project):
    def fan(state):
        return [Send("work", {"found": [], "number": number}) for number in range(25)]

    graph = StateGraph(Numbers)
    graph.add_node("start", lambda state: {"found": []})
    graph.add_node("work", lambda state: {"found": [state["number"]]})
    graph.add_edge(START, "start")
    graph.add_conditional_edges("start", fan, ["work"])
    graph.add_edge("work", END)
    assert sorted(graph.compile().invoke({"found": []})["found"]) == list(range(25))
    wait_for_all_tracers()
    branches = [run for run in runs(project) if run["name"] == "work"]
    assert sorted(run["outputs"]["found"] for run in branches) == [[number] for number in range(25)]


def test_an_agent_as_a_node_shows_the_inner_conversation(project, thread):
    inner = create_agent(
        Scripted(script=[("get_weather", {"city": "Paris"}), "It is sunny."]),
        [get_weather],
        system_prompt="You are terse.",
        name="weather agent",
    )
    graph = StateGraph(MessagesState).add_node("ask", inner).add_edge(START, "ask").add_edge("ask", END)
    ask(graph.compile(), thread, "How is the weather in Paris?")
    wait_for_all_tracers()
    assert conversation(project, thread) == WEATHER


def test_an_interrupt_is_no_error_and_the_thread_goes_on(project, thread):
    def confirm(state):
        answer = interrupt("May I?")
        return {"messages": [("ai", f"You said {answer}.")]}

    graph = StateGraph(MessagesState).add_node("confirm", confirm).add_edge(START, "confirm").add_edge("confirm", END)
    graph = graph.compile(checkpointer=InMemorySaver())
    ask(graph, thread, "Delete everything")
    graph.invoke(Command(resume="yes"), in_thread(thread))
    wait_for_all_tracers()
    first, second = runs(project, is_root=True)
    assert (first["status"], second["status"]) == ("success", "success")
    # What the graph asked is nowhere but in the text of an exception, and not part of the conversation.
    assert conversation(project, thread) == [
        ("user", "Delete everything"),
        ("user", "yes"),
        ("assistant", "You said yes."),
    ]
