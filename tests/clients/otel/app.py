"""A small agent as its users write it, instrumented and exported by OpenTelemetry alone.

    app.py INSTRUMENTATION TRANSPORT CLIENT API PROJECT THREAD

INSTRUMENTATION is `openinference` or `traceloop`, TRANSPORT `http` or `grpc`,
CLIENT `openai`, `openai-stream`, `responses`, `anthropic`, `anthropic-stream`
or `langchain`; API is the address of the stand-in. In one thread it asks for
the weather, which takes a tool, and then says thank you.
"""

import json
import os
import sys

TOOL = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SYSTEM = "You are terse."
QUESTIONS = ["How is the weather in Paris?", "Thank you, terse friend"]


def exporter(transport):
    headers = {"x-api-key": "test", "langsmith-project": PROJECT}
    if transport == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(os.environ["ASSAY_GRPC"], insecure=True, headers=headers)
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    address = os.environ["ASSAY_URL"] + "/otel/v1/traces"
    return OTLPSpanExporter(address, headers=headers, compression=Compression.Gzip)


class OpenInference:
    def __init__(self, transport):
        from openinference.instrumentation import TracerProvider
        from openinference.instrumentation.anthropic import AnthropicInstrumentor
        from openinference.instrumentation.langchain import LangChainInstrumentor
        from openinference.instrumentation.openai import OpenAIInstrumentor
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider()
        self.provider.add_span_processor(BatchSpanProcessor(exporter(transport)))
        for each in (OpenAIInstrumentor, AnthropicInstrumentor, LangChainInstrumentor):
            each().instrument(tracer_provider=self.provider)
        self.tracer = self.provider.get_tracer("app")

    def agent(self, function):
        return self.tracer.agent(function)

    def tool(self, function):
        return self.tracer.tool(function)

    def thread(self):
        from openinference.instrumentation import using_session

        return using_session(THREAD)

    def close(self):
        self.provider.shutdown()


class Traceloop:
    def __init__(self, transport):
        from traceloop.sdk import Traceloop

        Traceloop.init("app", exporter=exporter(transport), telemetry_enabled=False)

    def agent(self, function):
        from traceloop.sdk.decorators import workflow

        return workflow(name=function.__name__)(function)

    def tool(self, function):
        from traceloop.sdk.decorators import tool

        return tool(name=function.__name__)(function)

    def thread(self):
        import contextlib

        from traceloop.sdk import Traceloop

        Traceloop.set_association_properties({"session_id": THREAD})
        return contextlib.nullcontext()

    def close(self):
        from opentelemetry import trace

        trace.get_tracer_provider().shutdown()


def openai_turn(messages, get_weather, *, stream):
    import openai

    client = openai.OpenAI(base_url=API + "/v1", api_key="none")
    tools = [{"type": "function", "function": TOOL}]
    while True:
        answer = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=messages,
            tools=tools,
            stream=stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
        )
        text, calls = "", []
        if stream:
            for chunk in answer:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    calls += choice.delta.tool_calls or []
        else:
            text = answer.choices[0].message.content or ""
            calls = answer.choices[0].message.tool_calls or []
        if not calls:
            messages.append({"role": "assistant", "content": text})
            return text
        function = {"name": calls[0].function.name, "arguments": calls[0].function.arguments}
        call = {"id": calls[0].id, "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        result = get_weather(**json.loads(function["arguments"]))
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})


def responses_turn(items, get_weather):
    import openai

    client = openai.OpenAI(base_url=API + "/v1", api_key="none")
    tools = [{"type": "function", **TOOL}]
    while True:
        answer = client.responses.create(model="gpt-4o-mini", instructions=SYSTEM, input=items, tools=tools)
        item = answer.output[0]
        items.append(item.model_dump(exclude_none=True))
        if item.type == "message":
            return answer.output_text
        result = get_weather(**json.loads(item.arguments))
        items.append({"type": "function_call_output", "call_id": item.call_id, "output": result})


def anthropic_turn(messages, get_weather, *, stream):
    import anthropic

    client = anthropic.Anthropic(base_url=API, api_key="none")
    tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}
    asked = {"model": "claude-haiku-4-5", "max_tokens": 50, "system": SYSTEM, "tools": [tool]}
    while True:
        if stream:
            with client.messages.stream(messages=messages, **asked) as pieces:
                block = pieces.get_final_message().content[0]
        else:
            block = client.messages.create(messages=messages, **asked).content[0]
        if block.type == "text":
            messages.append({"role": "assistant", "content": block.text})
            return block.text
        call = {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        messages.append({"role": "assistant", "content": [call]})
        result = {"type": "tool_result", "tool_use_id": block.id, "content": get_weather(**block.input)}
        messages.append({"role": "user", "content": [result]})


def langchain_turn(messages):
    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool
    from scripted import Scripted

    @tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    script = {
        QUESTIONS[0]: [("get_weather", {"city": "Paris"}), "It is sunny in Paris."],
        QUESTIONS[1]: [f"You said: {QUESTIONS[1]}"],
    }
    question = messages[-1]
    history = [*messages[:-1], HumanMessage(question)]
    agent = create_agent(Scripted(script=script[question]), [get_weather], system_prompt=SYSTEM)
    answered = agent.invoke({"messages": history})["messages"]
    messages[:] = answered
    return answered[-1].content


def main(instrumentation, transport, client):
    kinds = {"openinference": OpenInference, "traceloop": Traceloop}
    tracing = kinds[instrumentation](transport)

    @tracing.tool
    def get_weather(city):
        return "sunny"

    messages = []
    if client in ("openai", "openai-stream"):
        messages.append({"role": "system", "content": SYSTEM})

    @tracing.agent
    def agent(question):
        if client == "langchain":
            messages.append(question)
            return langchain_turn(messages)
        messages.append({"role": "user", "content": question})
        if client == "responses":
            return responses_turn(messages, get_weather)
        turn = openai_turn if client.startswith("openai") else anthropic_turn
        return turn(messages, get_weather, stream=client.endswith("-stream"))

    with tracing.thread():
        for question in QUESTIONS:
            print(agent(question))
    tracing.close()


if __name__ == "__main__":
    _, INSTRUMENTATION, TRANSPORT, CLIENT, API, PROJECT, THREAD = sys.argv
    main(INSTRUMENTATION, TRANSPORT, CLIENT)
