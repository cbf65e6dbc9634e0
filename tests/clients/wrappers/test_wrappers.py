"""The OpenAI and Anthropic clients in LangSmith's wrappers, over a stand-in API: words, tokens, money."""

import json
import pathlib
import subprocess
from decimal import Decimal

import anthropic
import openai
import pytest
from assay import conversation, request, runs
from langsmith import Client, traceable
from langsmith.wrappers import wrap_anthropic, wrap_openai

TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
OPENAI_TOOLS = [{"type": "function", "function": TOOL}]
RESPONSES_TOOLS = [{"type": "function", **TOOL}]
ANTHROPIC_TOOLS = [
    {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}
]
WEATHER = [
    ("user", "How is the weather in Paris?"),
    ("assistant", "get_weather", {"city": "Paris"}),
    ("tool", "sunny"),
    ("assistant", "It is sunny in Paris."),
]


@pytest.fixture(scope="module", autouse=True)
def prices():
    """What the stand-ins' models cost, by the million tokens: 2 in, 0.5 from the cache, 8 out."""
    for name in ("stand-in-gpt", "stand-in-claude"):
        request(
            "POST",
            "/api/v1/model-price-map",
            {
                "name": name,
                "match_pattern": f"^{name}$",
                "prompt_cost": "0.000002",
                "completion_cost": "0.000008",
                "prompt_cost_details": {"cache_read": "0.0000005"},
            },
        )


@pytest.fixture
def client():
    client = Client()
    yield client
    client.flush()


@pytest.fixture
def extra(project, thread, client):
    return {"project_name": project, "client": client, "metadata": {"thread_id": thread}}


@pytest.fixture
def gpt(stand_in):
    return wrap_openai(openai.OpenAI(base_url=f"{stand_in.url}/v1", api_key="none"))


@pytest.fixture
def async_gpt(stand_in):
    return wrap_openai(openai.AsyncOpenAI(base_url=f"{stand_in.url}/v1", api_key="none"))


@pytest.fixture
def claude(stand_in):
    return wrap_anthropic(anthropic.Anthropic(base_url=stand_in.url, api_key="none"))


@pytest.fixture
def async_claude(stand_in):
    return wrap_anthropic(anthropic.AsyncAnthropic(base_url=stand_in.url, api_key="none"))


def the_run(client, project):
    client.flush()
    (run,) = runs(project)
    assert run["run_type"] == "llm"
    return run


def check_usage(run, *, prompt, completion, cached):
    """Tokens, and the money by the prices above: what came from the cache costs its own price."""
    assert (run["prompt_tokens"], run["completion_tokens"]) == (prompt, completion)
    assert run["total_tokens"] == prompt + completion
    assert run["prompt_token_details"]["cache_read"] == cached
    asked = (prompt - cached) * Decimal("0.000002") + cached * Decimal("0.0000005")
    answered = completion * Decimal("0.000008")
    assert Decimal(run["prompt_cost"]) == asked
    assert Decimal(run["completion_cost"]) == answered
    assert Decimal(run["total_cost"]) == asked + answered


HELLO = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Hello there friend"}]
SAID = [
    ("system", "You are terse."),
    ("user", "Hello there friend"),
    ("assistant", "You said: Hello there friend"),
]


def test_a_chat_completion_has_words_tokens_and_cost(gpt, client, project, thread, extra):
    answer = gpt.chat.completions.create(model="stand-in-gpt", messages=HELLO, langsmith_extra=extra)
    assert answer.choices[0].message.content == "You said: Hello there friend"
    run = the_run(client, project)
    check_usage(run, prompt=6, completion=5, cached=3)
    assert run["completion_token_details"] == {"reasoning": 1}
    assert conversation(project, thread) == SAID


def test_a_streamed_chat_completion_is_the_same(gpt, client, project, thread, extra):
    stream = gpt.chat.completions.create(
        model="stand-in-gpt",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
        langsmith_extra=extra,
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == "You said: Hello there friend"
    run = the_run(client, project)
    check_usage(run, prompt=6, completion=5, cached=3)
    assert run["first_token_time"] is not None
    assert conversation(project, thread) == SAID


async def test_an_asynchronous_chat_completion_is_the_same(async_gpt, client, project, thread, extra):
    await async_gpt.chat.completions.create(model="stand-in-gpt", messages=HELLO, langsmith_extra=extra)
    check_usage(the_run(client, project), prompt=6, completion=5, cached=3)
    assert conversation(project, thread) == SAID


async def test_an_asynchronous_stream_is_the_same(async_gpt, client, project, thread, extra):
    stream = await async_gpt.chat.completions.create(
        model="stand-in-gpt",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
        langsmith_extra=extra,
    )
    async for _ in stream:
        pass
    check_usage(the_run(client, project), prompt=6, completion=5, cached=3)
    assert conversation(project, thread) == SAID


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_the_same(gpt, client, project, thread, extra, stream):
    answer = gpt.responses.create(
        model="stand-in-gpt",
        instructions="You are terse.",
        input="Hello there friend",
        stream=stream,
        langsmith_extra=extra,
    )
    if stream:
        assert [event.type for event in answer][-1] == "response.completed"
    check_usage(the_run(client, project), prompt=6, completion=5, cached=3)
    assert conversation(project, thread) == SAID


def test_an_agent_over_chat_completions_is_a_tree_and_a_conversation(gpt, client, project, thread, extra):
    @traceable(run_type="tool")
    def get_weather(city):
        return "sunny"

    @traceable(run_type="chain", name="agent")
    def agent(question):
        messages = [{"role": "user", "content": question}]
        first = gpt.chat.completions.create(model="stand-in-gpt", messages=messages, tools=OPENAI_TOOLS)
        asked = first.choices[0].message
        (call,) = asked.tool_calls
        messages.append(asked.model_dump(exclude_none=True))
        result = get_weather(**json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        second = gpt.chat.completions.create(model="stand-in-gpt", messages=messages, tools=OPENAI_TOOLS)
        return second.choices[0].message.content

    assert agent("How is the weather in Paris?", langsmith_extra=extra) == "It is sunny in Paris."
    client.flush()
    root, *steps = runs(project)
    assert [step["run_type"] for step in steps] == ["llm", "tool", "llm"]
    assert all(step["parent_run_id"] == root["id"] for step in steps)
    assert root["total_tokens"] == sum(step["total_tokens"] or 0 for step in steps) > 0
    assert Decimal(root["total_cost"]) == sum(Decimal(step["total_cost"] or 0) for step in steps)
    assert conversation(project, thread) == WEATHER


def test_an_agent_over_responses_is_a_conversation(gpt, client, project, thread, extra):
    @traceable(name="agent")
    def agent(question):
        items = [{"role": "user", "content": question}]
        first = gpt.responses.create(model="stand-in-gpt", input=items, tools=RESPONSES_TOOLS)
        (call,) = first.output
        items.append(call.model_dump(exclude_none=True))
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
        return gpt.responses.create(model="stand-in-gpt", input=items, tools=RESPONSES_TOOLS).output_text

    assert agent("How is the weather in Paris?", langsmith_extra=extra) == "It is sunny in Paris."
    client.flush()
    assert conversation(project, thread) == WEATHER


def test_what_the_api_refuses_is_an_error_and_the_question_stays(gpt, client, project, thread, extra):
    messages = [{"role": "user", "content": "Please fail"}]
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="stand-in-gpt", messages=messages, langsmith_extra=extra)
    run = the_run(client, project)
    assert run["status"] == "error"
    assert "the stand-in was asked to fail" in run["error"]
    assert conversation(project, thread)[0] == ("user", "Please fail")


def test_turns_of_a_thread_are_one_conversation(gpt, client, project, thread, extra):
    messages = []
    for question in ("One", "Two", "Three"):
        messages.append({"role": "user", "content": question})
        answer = gpt.chat.completions.create(model="stand-in-gpt", messages=messages, langsmith_extra=extra)
        messages.append({"role": "assistant", "content": answer.choices[0].message.content})
    client.flush()
    assert conversation(project, thread) == [(one["role"], one["content"]) for one in messages]


def test_a_claude_message_has_words_tokens_and_cost(claude, client, project, thread, extra):
    answer = claude.messages.create(
        model="stand-in-claude",
        max_tokens=50,
        system="You are terse.",
        messages=[{"role": "user", "content": "Hello there friend"}],
        langsmith_extra=extra,
    )
    assert answer.content[0].text == "You said: Hello there friend"
    check_usage(the_run(client, project), prompt=6, completion=5, cached=3)
    assert conversation(project, thread) == SAID


def test_a_streamed_claude_message_is_the_same(claude, client, project, thread, extra):
    stream = claude.messages.create(
        model="stand-in-claude",
        max_tokens=50,
        system="You are terse.",
        messages=[{"role": "user", "content": "Hello there friend"}],
        stream=True,
        langsmith_extra=extra,
    )
    assert [event.type for event in stream][-1] == "message_stop"
    check_usage(the_run(client, project), prompt=6, completion=5, cached=3)
    assert conversation(project, thread) == SAID


def test_claudes_stream_helper_is_the_same(stand_in, client, project, thread, extra):
    plain = anthropic.Anthropic(base_url=stand_in.url, api_key="none")
    claude = wrap_anthropic(plain, tracing_extra=extra)
    with claude.messages.stream(
        model="stand-in-claude",
        max_tokens=50,
        system="You are terse.",
        messages=[{"role": "user", "content": "Hello there friend"}],
    ) as stream:
        assert "".join(stream.text_stream) == "You said: Hello there friend"
    check_usage(the_run(client, project), prompt=6, completion=5, cached=3)
    assert conversation(project, thread) == SAID


async def test_an_asynchronous_claude_is_the_same(async_claude, client, project, thread, extra):
    await async_claude.messages.create(
        model="stand-in-claude",
        max_tokens=50,
        system="You are terse.",
        messages=[{"role": "user", "content": "Hello there friend"}],
        langsmith_extra=extra,
    )
    check_usage(the_run(client, project), prompt=6, completion=5, cached=3)
    assert conversation(project, thread) == SAID


def test_an_agent_over_claude_is_a_conversation(claude, client, project, thread, extra):
    @traceable(name="agent")
    def agent(question):
        messages = [{"role": "user", "content": question}]
        common = {"model": "stand-in-claude", "max_tokens": 50, "tools": ANTHROPIC_TOOLS}
        (call,) = claude.messages.create(messages=messages, **common).content
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        messages.append({"role": "assistant", "content": [call.model_dump(exclude_none=True)]})
        messages.append({"role": "user", "content": [result]})
        return claude.messages.create(messages=messages, **common).content[0].text

    assert agent("How is the weather in Paris?", langsmith_extra=extra) == "It is sunny in Paris."
    client.flush()
    assert conversation(project, thread) == WEATHER


def test_what_claude_refuses_is_an_error(claude, client, project, thread, extra):
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(
            model="stand-in-claude",
            max_tokens=50,
            messages=[{"role": "user", "content": "Please fail"}],
            langsmith_extra=extra,
        )
    run = the_run(client, project)
    assert (run["status"], "asked to fail" in run["error"]) == ("error", True)


def test_the_wrapper_in_javascript_is_the_same(stand_in, project, thread):
    app = pathlib.Path(__file__).parent / "app.mjs"
    subprocess.run(["node", str(app), stand_in.url, project, thread], check=True, timeout=100)
    first, second = runs(project)
    check_usage(first, prompt=6, completion=5, cached=3)
    # The whole chat is asked again: 3 + 3 + 5 + 1 words.
    check_usage(second, prompt=12, completion=3, cached=3)
    assert second["first_token_time"] is not None
    assert conversation(project, thread) == [*SAID, ("user", "Goodbye"), ("assistant", "You said: Goodbye")]
