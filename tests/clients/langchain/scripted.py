"""A chat model that says what a script says, with token counts, whole or in pieces."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult


def usage(messages, text):
    """Tokens are words."""
    asked = sum(len(str(message.content).split()) for message in messages)
    answered = max(len(text.split()), 1)
    return {"input_tokens": asked, "output_tokens": answered, "total_tokens": asked + answered}


class Scripted(BaseChatModel):
    """Answers with the next line of its script: a text, a tool call `(name, arguments)`, or an error to raise.

    Without a script it answers "You said: …".
    """

    script: list[Any] = []
    model_name: str = "scripted-1"

    @property
    def _llm_type(self):
        return "scripted"

    def _get_ls_params(self, stop=None, **kwargs):
        return {"ls_provider": "scripted", "ls_model_name": self.model_name, "ls_model_type": "chat"}

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=[tool.name for tool in tools])

    def answer(self, messages):
        line = self.script.pop(0) if self.script else f"You said: {messages[-1].content}"
        if isinstance(line, Exception):
            raise line
        if isinstance(line, tuple):
            name, arguments = line
            call = {"name": name, "args": arguments, "id": f"call_{name}", "type": "tool_call"}
            return AIMessage("", tool_calls=[call], usage_metadata=usage(messages, ""))
        return AIMessage(line, usage_metadata=usage(messages, line))

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=self.answer(messages))])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        answer = self.answer(messages)
        if answer.tool_calls:
            call = answer.tool_calls[0]
            pieces = [AIMessageChunk("", tool_calls=[call], usage_metadata=answer.usage_metadata)]
        else:
            words = answer.content.split(" ")
            texts = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
            pieces = [AIMessageChunk(text) for text in texts]
            pieces.append(AIMessageChunk("", usage_metadata=answer.usage_metadata))
        for piece in pieces:
            chunk = ChatGenerationChunk(message=piece)
            if run_manager and piece.content:
                run_manager.on_llm_new_token(piece.content, chunk=chunk)
            yield chunk
