"""A stand-in for the APIs of OpenAI and Anthropic, so that their real clients run without a network.

It answers by rule, so that a test knows what was said:

- asked about the weather and offered tools, it calls the first tool for Paris;
- given a tool's result, it says "It is RESULT in Paris.";
- asked to fail, it answers 400;
- anything else is answered by "You said: …".

Tokens are words: of all messages for the prompt, of the answer for the
completion. The first three prompt tokens count as read from a cache.
"""

import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CACHED = 3
REASONING = 1

# Each answer and each call has its own id: instrumentations keep what they know by it.
NUMBERS = itertools.count(1)


class StandIn:
    """Serves on a free port of the loopback until it is closed."""

    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Refused(Exception):
    pass


def words(text):
    return len(text.split())


def text_of(content):
    """The text of a message, whatever shape its content has."""
    if isinstance(content, str):
        return content
    texts = []
    for part in content or []:
        if part.get("type") in ("text", "input_text", "output_text"):
            texts.append(part["text"])
        elif part.get("type") == "tool_result":
            texts.append(text_of(part["content"]))
    return "\n".join(texts)


def tool_result(message):
    """The result of a tool if the message carries one."""
    if message.get("role") == "tool":
        return text_of(message["content"])
    if message.get("type") == "function_call_output":
        return message["output"]
    content = message.get("content")
    if isinstance(content, list) and any(part.get("type") == "tool_result" for part in content):
        return text_of(content)
    return None


def decide(messages, tools):
    """What the model says: its text and, of a tool it calls, name and arguments."""
    last = messages[-1]
    result = tool_result(last)
    if result is not None:
        return f"It is {result} in Paris.", None
    text = text_of(last.get("content"))
    if "fail" in text:
        raise Refused("the stand-in was asked to fail")
    if "weather" in text and tools:
        first = tools[0]
        return "", (first.get("name") or first["function"]["name"], {"city": "Paris"})
    return f"You said: {text}", None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answers = {
            "/v1/chat/completions": chat_completion,
            "/v1/responses": response,
            "/v1/messages": anthropic_message,
            "/v1/embeddings": embeddings,
        }
        try:
            answer = answers[self.path.split("?")[0]](body)
        except Refused as refused:
            error = {"type": "invalid_request_error", "message": str(refused)}
            return self.send(400, json.dumps({"type": "error", "error": error}).encode())
        if body.get("stream"):
            self.send(200, answer, "text/event-stream")
        else:
            self.send(200, json.dumps(answer).encode())

    def send(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def events(list_of_events, *, named):
    """Server-sent events, with or without an `event:` line."""
    out = []
    for event in list_of_events:
        if named:
            out.append(f"event: {event['type']}\n")
        out.append(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return "".join(out).encode()


def chat_completion(body):
    text, call = decide(body["messages"], body.get("tools"))
    asked = sum(words(text_of(message.get("content"))) for message in body["messages"])
    usage = {
        "prompt_tokens": asked,
        "completion_tokens": words(text) or 1,
        "total_tokens": asked + (words(text) or 1),
        "prompt_tokens_details": {"cached_tokens": min(CACHED, asked)},
        "completion_tokens_details": {"reasoning_tokens": REASONING},
    }
    base = {"id": f"chatcmpl-{next(NUMBERS)}", "created": 1_760_000_000, "model": body["model"]}
    calls = None
    if call:
        name, arguments = call
        function = {"name": name, "arguments": json.dumps(arguments)}
        calls = [{"id": f"call_{next(NUMBERS)}", "type": "function", "function": function}]
    reason = "tool_calls" if calls else "stop"
    if not body.get("stream"):
        message = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = calls
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {**base, "object": "chat.completion", "choices": [choice], "usage": usage}

    def chunk(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**base, "object": "chat.completion.chunk", "choices": [choice]}

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": piece}) for piece in pieces(text)]
    if calls:
        chunks.append(chunk({"tool_calls": [{"index": 0, **calls[0]}]}))
    chunks.append(chunk({}, reason))
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return events([*chunks, "[DONE]"], named=False)


def pieces(text):
    """The text in the pieces it is streamed in."""
    return [text[start : start + 7] for start in range(0, len(text), 7)]


def response(body):
    given = body["input"]
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if body.get("instructions"):
        messages = [{"role": "system", "content": body["instructions"]}, *messages]
    text, call = decide(messages, body.get("tools"))
    asked = sum(words(text_of(message.get("content"))) for message in messages)
    if call:
        name, arguments = call
        output = {
            "type": "function_call",
            "id": f"fc_{next(NUMBERS)}",
            "call_id": f"call_{next(NUMBERS)}",
            "name": name,
            "arguments": json.dumps(arguments),
            "status": "completed",
        }
    else:
        part = {"type": "output_text", "text": text, "annotations": []}
        output = {
            "type": "message",
            "id": f"msg_{next(NUMBERS)}",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
    answered = words(text) or 1
    whole = {
        "id": f"resp_{next(NUMBERS)}",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": "completed",
        "model": body["model"],
        "instructions": body.get("instructions"),
        "output": [output],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": min(CACHED, asked)},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": REASONING},
            "total_tokens": asked + answered,
        },
    }
    if not body.get("stream"):
        return whole
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    stream = [{"type": "response.created", "response": begun}]
    item = {**output, "content": []} if not call else output
    stream.append({"type": "response.output_item.added", "output_index": 0, "item": item})
    if not call:
        place = {"item_id": output["id"], "output_index": 0, "content_index": 0}
        empty = {"type": "output_text", "text": "", "annotations": []}
        stream.append({"type": "response.content_part.added", **place, "part": empty})
        for piece in pieces(text):
            stream.append({"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []})
    stream.append({"type": "response.output_item.done", "output_index": 0, "item": output})
    stream.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(stream):
        event["sequence_number"] = number
    return events(stream, named=True)


def anthropic_message(body):
    messages = list(body["messages"])
    text, call = decide(messages, body.get("tools"))
    asked = words(text_of(body.get("system"))) + sum(words(text_of(one["content"])) for one in messages)
    if call:
        name, arguments = call
        block = {"type": "tool_use", "id": f"toolu_{next(NUMBERS)}", "name": name, "input": arguments}
    else:
        block = {"type": "text", "text": text}
    # Anthropic counts what was read from the cache beside the input, not in it.
    cached = min(CACHED, asked)
    usage = {
        "input_tokens": asked - cached,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": words(text) or 1,
    }
    message = {
        "id": f"msg_{next(NUMBERS)}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [block],
        "stop_reason": "tool_use" if call else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    if not body.get("stream"):
        return message
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    stream = [{"type": "message_start", "message": begun}]
    if call:
        empty = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    else:
        empty = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(text)]
    stream.append({"type": "content_block_start", "index": 0, "content_block": empty})
    stream += [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    stream.append({"type": "content_block_stop", "index": 0})
    ended = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    stream.append(
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": usage["output_tokens"]}}
    )
    stream.append({"type": "message_stop"})
    return events(stream, named=True)


def embeddings(body):
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector = [0.25, -0.5, 0.75]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))]
    asked = sum(words(text) for text in texts if isinstance(text, str))
    usage = {"prompt_tokens": asked, "total_tokens": asked}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}
