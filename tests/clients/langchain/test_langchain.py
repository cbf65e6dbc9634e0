"""LangChain applications, traced as their users trace them: by environment variables alone."""

import asyncio

import pytest
from assay import conversation, runs, tree
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith import tracing_context
from scripted import Scripted

PROMPT = ChatPromptTemplate.from_messages([("system", "You are terse."), ("human", "{question}")])


@pytest.fixture(autouse=True)
def traced(project):
    """Everything a test runs goes to its project, and has arrived when the block ends."""
    with tracing_context(project_name=project, enabled=True):
        yield


def metadata(thread):
    return {"metadata": {"thread_id": thread}}


def test_a_chain_is_a_tree_of_runs_and_a_conversation(project, thread):
    chain = PROMPT | Scripted() | StrOutputParser()
    assert chain.invoke({"question": "How far is the moon?"}, metadata(thread)) == "You said: How far is the moon?"
    wait_for_all_tracers()
    assert tree(project) == [
        (
            "RunnableSequence",
            "chain",
            [
                ("ChatPromptTemplate", "prompt", []),
                ("Scripted", "llm", []),
                ("StrOutputParser", "parser", []),
            ],
        )
    ]
    assert conversation(project, thread) == [
        ("system", "You are terse."),
        ("user", "How far is the moon?"),
        ("assistant", "You said: How far is the moon?"),
    ]


def test_tokens_are_counted_once_in_the_model_and_summed_at_the_root(project, thread):
    (PROMPT | Scripted()).invoke({"question": "one two three"}, metadata(thread))
    wait_for_all_tracers()
    everything = runs(project)
    model = next(run for run in everything if run["run_type"] == "llm")
    root = everything[0]
    expected = {"prompt_tokens": 6, "completion_tokens": 5, "total_tokens": 11}
    assert {key: model[key] for key in expected} == expected
    assert {key: root[key] for key in expected} == expected
    assert model["extra"]["metadata"]["ls_model_name"] == "scripted-1"


def test_a_stream_is_one_answer_with_the_time_of_its_first_token(project, thread):
    chain = PROMPT | Scripted(script=["It is far away"]) | StrOutputParser()
    pieces = list(chain.stream({"question": "How far?"}, metadata(thread)))
    assert len(pieces) > 3
    wait_for_all_tracers()
    model = next(run for run in runs(project) if run["run_type"] == "llm")
    assert model["first_token_time"] is not None
    assert model["start_time"] <= model["first_token_time"] <= model["end_time"]
    assert model["total_tokens"] == 9
    assert conversation(project, thread)[-1] == ("assistant", "It is far away")


async def test_an_asynchronous_stream_is_the_same(project, thread):
    chain = PROMPT | Scripted(script=["It is far away"]) | StrOutputParser()
    pieces = [piece async for piece in chain.astream({"question": "How far?"}, metadata(thread))]
    assert "".join(pieces) == "It is far away"
    wait_for_all_tracers()
    assert conversation(project, thread) == [
        ("system", "You are terse."),
        ("user", "How far?"),
        ("assistant", "It is far away"),
    ]


def test_an_error_of_the_model_is_an_error_of_the_trace(project, thread):
    chain = PROMPT | Scripted(script=[ValueError("the model is out of order")])
    with pytest.raises(ValueError, match="out of order"):
        chain.invoke({"question": "Hello?"}, metadata(thread))
    wait_for_all_tracers()
    root, *rest = runs(project)
    model = next(run for run in rest if run["run_type"] == "llm")
    for run in (root, model):
        assert run["status"] == "error"
        assert "the model is out of order" in run["error"]
    assert next(run for run in rest if run["run_type"] == "prompt")["status"] == "success"
    # What the user said is not lost with the answer.
    assert ("user", "Hello?") in conversation(project, thread)


def test_a_fallback_recovers_and_the_trace_succeeds(project, thread):
    broken = Scripted(script=[ValueError("out of order")], model_name="broken")
    chain = PROMPT | broken.with_fallbacks([Scripted(script=["Here I am"], model_name="spare")])
    chain.invoke({"question": "Anyone?"}, metadata(thread))
    wait_for_all_tracers()
    everything = runs(project)
    assert everything[0]["status"] == "success"
    models = [(run["status"], run["extra"]["metadata"]["ls_model_name"]) for run in everything if run["run_type"] == "llm"]
    assert models == [("error", "broken"), ("success", "spare")]
    assert conversation(project, thread)[-1] == ("assistant", "Here I am")


def test_turns_of_one_thread_are_one_conversation(project, thread):
    model = Scripted()
    history = [SystemMessage("You are terse.")]
    for question in ["First?", "Second?", "Third?"]:
        history.append(HumanMessage(question))
        history.append(model.invoke(history, metadata(thread)))
    wait_for_all_tracers()
    assert len(runs(project, is_root=True)) == 3
    # Each turn sends the history again; it is said once.
    assert conversation(project, thread) == [
        ("system", "You are terse."),
        ("user", "First?"),
        ("assistant", "You said: First?"),
        ("user", "Second?"),
        ("assistant", "You said: Second?"),
        ("user", "Third?"),
        ("assistant", "You said: Third?"),
    ]


async def test_many_conversations_at_once_do_not_mix(project):
    chain = PROMPT | Scripted() | StrOutputParser()
    threads = [f"thread-{number}" for number in range(20)]
    questions = [chain.ainvoke({"question": f"I am {one}"}, metadata(one)) for one in threads]
    await asyncio.gather(*questions)
    wait_for_all_tracers()
    for one in threads:
        assert conversation(project, one) == [
            ("system", "You are terse."),
            ("user", f"I am {one}"),
            ("assistant", f"You said: I am {one}"),
        ]


def test_a_batch_is_a_trace_for_each_input(project):
    chain = PROMPT | Scripted() | StrOutputParser()
    chain.batch([{"question": str(number)} for number in range(5)])
    wait_for_all_tracers()
    roots = runs(project, is_root=True)
    assert sorted(root["inputs"]["question"] for root in roots) == ["0", "1", "2", "3", "4"]
    assert len(runs(project)) == 20


def test_a_retriever_keeps_its_documents(project, thread):
    class Library(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document("The moon is 384,400 km away.", metadata={"page": 7})]

    chain = (
        RunnableParallel(context=Library(), question=RunnablePassthrough())
        | RunnableLambda(lambda found: f"{found['question']} {found['context'][0].page_content}")
        | Scripted()
    )
    chain.invoke("How far?", metadata(thread))
    wait_for_all_tracers()
    found = next(run for run in runs(project) if run["run_type"] == "retriever")
    assert found["inputs"] == {"query": "How far?"}
    document = found["outputs"]["documents"][0]
    assert document["page_content"] == "The moon is 384,400 km away."
    assert document["metadata"] == {"page": 7}


def test_a_tool_that_fails_says_so(project):
    @tool
    def divide(numerator: int, denominator: int) -> float:
        """Divides."""
        return numerator / denominator

    assert divide.invoke({"numerator": 6, "denominator": 3}) == 2
    with pytest.raises(ZeroDivisionError):
        divide.invoke({"numerator": 6, "denominator": 0})
    wait_for_all_tracers()
    good, bad = runs(project)
    assert (good["run_type"], good["status"], good["outputs"]["output"]) == ("tool", "success", 2)
    assert (bad["run_type"], bad["status"]) == ("tool", "error")
    assert "ZeroDivisionError" in bad["error"]


def test_what_looks_like_a_message_but_was_typed_by_hand_is_kept(project, thread):
    odd = "</script>\u0000\u202e 🦜 \ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    Scripted().invoke([HumanMessage(odd), AIMessage("?"), HumanMessage("Again")], metadata(thread))
    wait_for_all_tracers()
    said = [text for _, text, *_ in conversation(project, thread)]
    assert said[1:] == ["?", "Again", "You said: Again"]
    assert "</script>" in said[0] and "🦜" in said[0]
