//! Tests of the dialects: each a span or two as its instrumentation writes it.

use std::collections::BTreeMap;

use assay_domain::RunKind;
use serde_json::{Value, json};

use super::tests::{decode, event, extra, metadata, request, run, run_with, span, tokens};

#[test]
fn numbered_prompts_and_completions_become_messages() {
    let run = run(json!({
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Hi",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "look",
        "gen_ai.completion.0.tool_calls.0.arguments": "{\"a\":1}",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.details.reasoning_tokens": 3,
        "gen_ai.usage.cache_read_input_tokens": 2,
        "gen_ai.usage.input_token_details": "{'audio': 1}",
        "gen_ai.conversation.id": "thread-1",
        "tier": "gold",
        "vendor.unknown": "kept",
    }));
    assert_eq!(run.kind, Some(RunKind::Llm));
    assert_eq!(run.inputs, Some(json!({ "messages": [{ "role": "user", "content": "Hi" }] })));
    assert_eq!(
        run.outputs,
        Some(json!({ "messages": [{ "role": "assistant", "content": "", "tool_calls": [
            { "type": "function", "function": { "name": "look", "arguments": "{\"a\":1}" }, "id": "c1" },
        ] }] }))
    );
    assert_eq!(tokens(&run), (10, 4, 14));
    let usage = run.usage.as_ref().expect("usage");
    assert_eq!(usage.input_details, BTreeMap::from([("audio".into(), 1), ("cache_read".into(), 2)]));
    assert_eq!(usage.output_details, BTreeMap::from([("reasoning".into(), 3)]));
    assert_eq!(run.thread.as_ref().map(|thread| thread.0.as_str()), Some("thread-1"));
    assert_eq!(metadata(&run, "thread_id"), "thread-1");
    assert_eq!(metadata(&run, "ls_provider"), "openai");
    assert_eq!(metadata(&run, "ls_model_name"), "gpt-4o");
    assert_eq!(metadata(&run, "tier"), "gold");
    assert_eq!(extra(&run, "invocation_params/temperature"), 0.5);
    assert_eq!(extra(&run, "attributes"), &json!({ "vendor.unknown": "kept" }));
}

#[test]
fn lists_of_parts_become_messages_with_the_instructions_in_front() {
    let run = run(json!({
        "gen_ai.operation.name": "chat",
        "gen_ai.system_instructions": "[{\"type\":\"text\",\"content\":\"Be kind.\"}]",
        "gen_ai.input.messages": json!([
            { "role": "user", "parts": [{ "type": "text", "content": "Weather?" }] },
            { "role": "assistant", "parts": [{ "type": "tool_call", "id": "c", "name": "weather", "arguments": { "city": "Rome" } }] },
            { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c", "response": "sunny" }] },
        ]).to_string(),
        "gen_ai.output.messages": [{ "role": "assistant", "finish_reason": "stop", "parts": [
            { "type": "reasoning", "content": "Easy." }, { "type": "text", "content": "Sunny." },
        ] }],
    }));
    assert_eq!(
        run.inputs,
        Some(json!({ "messages": [
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": "Weather?" },
            { "role": "assistant", "content": "", "tool_calls": [
                { "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Rome\"}" }, "id": "c" },
            ] },
            { "role": "tool", "content": "sunny", "tool_call_id": "c" },
        ] }))
    );
    assert_eq!(
        run.outputs,
        Some(json!({ "messages": [{ "role": "assistant", "content": [
            { "type": "thinking", "thinking": "Easy." }, { "type": "text", "text": "Sunny." },
        ], "finish_reason": "stop" }] }))
    );
}

#[test]
fn message_events_and_choices_are_read() {
    let run = run_with(
        json!({ "gen_ai.operation.name": "chat" }),
        vec![
            event("gen_ai.system.message", json!({ "content": "Be brief." })),
            event(
                "gen_ai.user.message",
                json!({ "gen_ai.event.content": "{\"role\":\"user\",\"content\":\"Hi\"}" }),
            ),
            event("gen_ai.tool.message", json!({ "content": "42", "id": "c0" })),
            event(
                "gen_ai.choice",
                json!({
                    "index": 0, "finish_reason": "tool_calls", "message": "{\"content\":\"Hello\"}",
                    "tool_calls": "[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]",
                }),
            ),
            event("cache.hit", json!({ "key": 1 })),
        ],
    );
    assert_eq!(
        run.inputs,
        Some(json!({ "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "Hi" },
            { "role": "tool", "content": "42", "tool_call_id": "c0" },
        ] }))
    );
    let choice = &run.outputs.expect("outputs")["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "Hello");
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["name"], "f");
    assert_eq!(run.events.expect("events").len(), 1);
}

#[test]
fn content_events_hold_whole_values() {
    let run = run_with(
        json!({}),
        vec![
            event("gen_ai.content.prompt", json!({ "gen_ai.prompt": "{\"question\":\"why\"}" })),
            event("gen_ai.content.completion", json!({ "gen_ai.completion": "because" })),
        ],
    );
    assert_eq!(run.inputs, Some(json!({ "question": "why" })));
    assert_eq!(run.outputs, Some(json!({ "text": "because" })));
}

#[test]
fn a_tool_of_the_genai_conventions_is_named_after_the_tool() {
    let run = run(json!({
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.call.arguments": "{\"city\":\"Rome\"}",
        "gen_ai.tool.call.result": "sunny",
    }));
    assert_eq!(run.name.as_deref(), Some("weather"));
    assert_eq!(run.kind, Some(RunKind::Tool));
    assert_eq!(run.inputs, Some(json!({ "city": "Rome" })));
    assert_eq!(run.outputs, Some(json!({ "output": "sunny" })));
    assert_eq!(metadata(&run, "tool_call_id"), "c1");
}

#[test]
fn agents_do_not_own_the_tokens_of_their_calls() {
    let run = run(json!({ "gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9 }));
    assert_eq!(run.kind, Some(RunKind::Chain));
    assert_eq!(run.usage, None);
    assert_eq!(extra(&run, "subtree_usage/input_tokens"), 9);
}

#[test]
fn openinference_messages_documents_and_counts_are_read() {
    let call = run(json!({
        "openinference.span.kind": "LLM",
        "llm.model_name": "claude",
        "llm.provider": "anthropic",
        "llm.invocation_parameters": "{\"temperature\": 0.1}",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "Hi",
        "llm.input_messages.10.message.role": "tool",
        "llm.input_messages.10.message.content": "42",
        "llm.input_messages.10.message.tool_call_id": "c",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c2",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "f",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
        "input.value": "superseded",
        "llm.token_count.prompt": "5",
        "llm.token_count.completion": "845",
        "llm.token_count.total": "2023",
        "llm.token_count.prompt_details.cache_read": "3",
        "session.id": "s1",
        "user.id": "u1",
        "metadata": "{\"team\": \"a\"}",
        "tag.tags": ["x", "y"],
    }));
    assert_eq!(
        call.inputs,
        Some(json!({ "messages": [
            { "role": "user", "content": "Hi" },
            { "role": "tool", "content": "42", "tool_call_id": "c" },
        ] }))
    );
    assert_eq!(call.outputs.as_ref().expect("outputs")["messages"][0]["tool_calls"][0]["id"], "c2");
    assert_eq!(tokens(&call), (5, 845, 2023));
    assert_eq!(call.usage.as_ref().and_then(|usage| usage.input_details.get("cache_read")), Some(&3));
    assert_eq!(call.thread.as_ref().map(|thread| thread.0.as_str()), Some("s1"));
    assert_eq!(call.tags.as_deref(), Some(&["x".to_owned(), "y".to_owned()][..]));
    assert_eq!((metadata(&call, "team"), metadata(&call, "user_id")), (&json!("a"), &json!("u1")));
    assert_eq!(extra(&call, "invocation_params/temperature"), 0.1);

    let search = run(json!({
        "openinference.span.kind": "RETRIEVER",
        "input.value": "prices",
        "retrieval.documents.0.document.content": "A costs 1.",
        "retrieval.documents.0.document.metadata": "{\"page\": 2}",
    }));
    assert_eq!(search.kind, Some(RunKind::Retriever));
    assert_eq!(search.inputs, Some(json!({ "query": "prices" })));
    assert_eq!(
        search.outputs,
        Some(
            json!({ "documents": [{ "page_content": "A costs 1.", "metadata": { "page": 2 }, "type": "Document" }] })
        )
    );

    let tool = run(
        json!({ "openinference.span.kind": "TOOL", "tool.name": "f", "input.value": "{\"a\":1}", "output.value": "2" }),
    );
    assert_eq!((tool.name.as_deref(), tool.kind), (Some("f"), Some(RunKind::Tool)));
    assert_eq!((tool.inputs, tool.outputs), (Some(json!({ "a": 1 })), Some(json!({ "output": "2" }))));
}

#[test]
fn traceloop_entities_and_association_properties_are_read() {
    let run = run(json!({
        "traceloop.span.kind": "workflow",
        "traceloop.entity.name": "plan_trip",
        "traceloop.entity.input": "{\"inputs\": {\"city\": \"Rome\"}, \"tags\": [], \"metadata\": {}}",
        "traceloop.entity.output": "\"done\"",
        "traceloop.association.properties.session_id": "s9",
        "traceloop.association.properties.plan": "pro",
    }));
    assert_eq!((run.name.as_deref(), run.kind), (Some("plan_trip"), Some(RunKind::Chain)));
    assert_eq!(run.inputs, Some(json!({ "city": "Rome" })));
    assert_eq!(run.outputs, Some(json!({ "output": "done" })));
    assert_eq!(run.thread.as_ref().map(|thread| thread.0.as_str()), Some("s9"));
    assert_eq!(metadata(&run, "plan"), "pro");
    let old = self::run(json!({ "llm.request.type": "completion" }));
    assert_eq!(old.kind, Some(RunKind::Llm));
}

#[test]
fn vercel_calls_and_tools_are_read() {
    let outer = run(json!({
        "operation.name": "ai.generateText my-function",
        "ai.operationId": "ai.generateText",
        "ai.prompt": "{\"system\":\"Be kind.\",\"prompt\":\"Weather?\"}",
        "ai.response.text": "Sunny.",
        "ai.usage.promptTokens": 9,
        "ai.telemetry.metadata.sessionId": "v1",
    }));
    assert_eq!((outer.kind, &outer.usage), (Some(RunKind::Chain), &None));
    assert_eq!(
        outer.inputs,
        Some(
            json!({ "messages": [{ "role": "system", "content": "Be kind." }, { "role": "user", "content": "Weather?" }] })
        )
    );
    assert_eq!(outer.thread.as_ref().map(|thread| thread.0.as_str()), Some("v1"));

    let call = run(json!({
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-5",
        "ai.model.provider": "openai.responses",
        "ai.prompt.messages": json!([
            { "role": "user", "content": [{ "type": "text", "text": "Weather?" }] },
            { "role": "assistant", "content": [{ "type": "tool-call", "toolCallId": "c", "toolName": "w", "input": { "a": 1 } }] },
            { "role": "tool", "content": [{ "type": "tool-result", "toolCallId": "c", "toolName": "w", "output": { "type": "text", "value": "sunny" } }] },
        ]).to_string(),
        "ai.response.text": "",
        "ai.response.toolCalls": "[{\"toolCallId\":\"d\",\"toolName\":\"w\",\"args\":\"{}\"}]",
        "ai.usage.inputTokens": 62,
        "ai.usage.outputTokens": 85,
        "ai.usage.cachedInputTokens": 12,
    }));
    assert_eq!(call.kind, Some(RunKind::Llm));
    assert_eq!(tokens(&call), (62, 85, 147));
    assert_eq!(metadata(&call, "ls_provider"), "openai");
    let inputs = call.inputs.expect("inputs");
    assert_eq!(inputs["messages"][1]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(
        inputs["messages"][2],
        json!({ "role": "tool", "content": "sunny", "tool_call_id": "c", "name": "w" })
    );
    assert_eq!(call.outputs.expect("outputs")["messages"][0]["tool_calls"][0]["id"], "d");

    let tool = run(json!({
        "ai.operationId": "ai.toolCall", "ai.toolCall.name": "w", "ai.toolCall.id": "c",
        "ai.toolCall.args": "{\"a\":1}", "ai.toolCall.result": "{\"t\":64}",
    }));
    assert_eq!((tool.name.as_deref(), tool.kind), (Some("w"), Some(RunKind::Tool)));
    assert_eq!((tool.inputs, tool.outputs), (Some(json!({ "a": 1 })), Some(json!({ "t": 64 }))));
}

#[test]
fn logfire_events_and_tools_are_read() {
    let call = run(json!({
        "gen_ai.operation.name": "chat",
        "events": json!([
            { "event.name": "gen_ai.system.message", "role": "system", "content": "Be kind." },
            { "event.name": "gen_ai.user.message", "role": "user", "content": "Hi" },
            { "event.name": "gen_ai.choice", "index": 0, "message": { "role": "assistant", "content": "Hello" } },
        ]).to_string(),
        "logfire.msg": "chat",
    }));
    let inputs = call.inputs.as_ref().expect("inputs");
    assert_eq!(inputs["messages"][1], json!({ "role": "user", "content": "Hi" }));
    assert_eq!(call.outputs.as_ref().expect("outputs")["choices"][0]["message"]["content"], "Hello");
    assert_eq!(extra(&call, "attributes"), &Value::Null);

    let agent =
        run(json!({ "prompt": "Hi", "all_messages_events": "[{\"role\":\"user\",\"content\":\"Hi\"}]" }));
    assert_eq!(agent.inputs, Some(json!({ "input": "Hi" })));
    assert_eq!(agent.outputs, Some(json!({ "messages": [{ "role": "user", "content": "Hi" }] })));

    let tool = run(json!({ "gen_ai.tool.name": "f", "tool_arguments": "{\"a\":1}", "tool_response": "2" }));
    assert_eq!((tool.kind, tool.inputs), (Some(RunKind::Tool), Some(json!({ "a": 1 }))));
    assert_eq!(tool.outputs, Some(json!({ "output": "2" })));
}

#[test]
fn langsmith_attributes_state_run_fields() {
    let run = run(json!({
        "langsmith.trace.name": "answer",
        "langsmith.trace.session_name": "support",
        "langsmith.span.kind": "LLM",
        "langsmith.span.tags": "a, b,",
        "langsmith.metadata.thread_id": "t1",
        "langsmith.metadata.limits": "{\"n\": 1}",
        "langsmith.usage_metadata": "{\"input_tokens\": 10, \"output_tokens\": 20, \"total_cost\": \"0.000003\"}",
        "langsmith.reference_example_id": "e1",
        "langsmith.attachments": "[{\"name\": \"pic\", \"content\": \"AAAA\", \"mime_type\": \"image/png\"}]",
        "gen_ai.system": "langchain",
        "gen_ai.operation.name": "chain",
        "gen_ai.prompt": "{\"question\": \"why\"}",
        "gen_ai.completion": "{\"generations\": []}",
    }));
    assert_eq!((run.name.as_deref(), run.kind), (Some("answer"), Some(RunKind::Llm)));
    assert_eq!(run.project_name.as_deref(), Some("support"));
    assert_eq!(run.tags.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
    assert_eq!(run.thread.as_ref().map(|thread| thread.0.as_str()), Some("t1"));
    assert_eq!(metadata(&run, "limits"), &json!({ "n": 1 }));
    assert_eq!(metadata(&run, "ls_provider"), &Value::Null);
    assert_eq!(tokens(&run), (10, 20, 30));
    assert_eq!(run.attachments[0].size, Some(3));
    assert_eq!(run.inputs, Some(json!({ "question": "why" })));
    assert_eq!(self::run(json!({ "langsmith.span.kind": "agent" })).kind, Some(RunKind::Chain));
}

#[test]
fn files_inside_spans_are_kept_with_their_content() {
    let project = "33c08c32-435c-4788-b973-b5bee4a31f87";
    let attributes = json!({
        "langsmith.trace.session_id": project,
        "langsmith.attachments": "[{\"name\": \"a\", \"content\": \"aGk\"}, {\"name\": \"b\", \"content\": \"?\"}]",
    });
    let request = request(vec![span("eee19b7ec3c1b174", "", "step", attributes)]);
    let decoded = crate::otel::decode_json(&request, "");
    let run = &decoded.patches[0];
    let key = run.attachments[0].key().expect("a key");
    assert_eq!(decoded.blobs, [(key, b"hi".to_vec())]);
    assert_eq!(run.attachments[1].reference, "span:b");
    assert_eq!(decoded.projects.get(&run.id).map(ToString::to_string).as_deref(), Some(project));
}

#[test]
fn langfuse_observations_are_read() {
    let run = run(json!({
        "langfuse.observation.type": "generation",
        "langfuse.observation.input": "[{\"role\":\"user\",\"content\":\"Hi\"}]",
        "langfuse.observation.output": "Hello",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.usage_details": "{\"input\": 3, \"output\": 4, \"input_cached_tokens\": 2}",
        "langfuse.observation.cost_details": "{\"total\": 0.000003}",
        "langfuse.observation.level": "ERROR",
        "langfuse.observation.status_message": "too long",
        "langfuse.session.id": "s1",
        "langfuse.user.id": "u1",
        "langfuse.trace.tags": ["prod"],
        "langfuse.observation.prompt.version": 4,
    }));
    assert_eq!(run.kind, Some(RunKind::Llm));
    assert_eq!(run.inputs, Some(json!({ "messages": [{ "role": "user", "content": "Hi" }] })));
    assert_eq!(run.outputs, Some(json!({ "output": "Hello" })));
    assert_eq!(tokens(&run), (3, 4, 7));
    let cost = run.usage.as_ref().and_then(|usage| usage.stated_cost.as_ref()).expect("a cost");
    assert_eq!(cost.total.to_string(), "0.000003");
    assert_eq!(run.error.as_deref(), Some("too long"));
    assert_eq!(metadata(&run, "prompt_version"), 4);
    assert_eq!(metadata(&run, "thread_id"), "s1");
}

#[test]
fn what_a_tool_gave_back_is_no_word_of_the_user_it_came_with() {
    let run = run(json!({
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.tool_call_id": "c1",
        "llm.input_messages.0.message.content": "sunny",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.tool_call_id": "c2",
        "llm.input_messages.1.message.content": "windy",
        "llm.input_messages.1.message.contents.1.message_content.type": "text",
        "llm.input_messages.1.message.contents.1.message_content.text": "And tomorrow?",
    }));
    assert_eq!(
        run.inputs,
        Some(json!({ "messages": [
            { "role": "tool", "tool_call_id": "c1", "content": "sunny" },
            { "role": "tool", "tool_call_id": "c2", "content": "windy" },
            { "role": "user", "content": "And tomorrow?" },
        ] }))
    );
}

#[test]
fn a_list_of_messages_beats_a_whole_value_whoever_brings_it() {
    let run = run(json!({
        "openinference.span.kind": "LLM",
        "input.value": "User: Hi",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Hi",
    }));
    assert_eq!(run.inputs, Some(json!({ "messages": [{ "role": "user", "content": "Hi" }] })));
}

#[test]
fn errors_come_from_the_exception_then_the_status() {
    let exception =
        event("exception", json!({ "exception.message": "boom", "exception.stacktrace": "at f" }));
    assert_eq!(
        run_with(json!({}), vec![exception.clone()]).error.as_deref(),
        Some("boom\n\nStacktrace:\nat f")
    );
    let mut handled = span("eee19b7ec3c1b174", "", "n", json!({}));
    handled["events"] = json!([exception]);
    handled["status"] = json!({ "code": 1 });
    assert_eq!(decode(&request(vec![handled.clone()]))[0].error, None);
    handled["events"] = json!([]);
    handled["status"] = json!({ "code": 2 });
    assert_eq!(decode(&request(vec![handled]))[0].error.as_deref(), Some("error"));
}

#[test]
fn calls_written_as_text_into_the_content_are_calls() {
    let text =
        "[{\"function\":{\"name\":\"Hello\",\"arguments\":\"{}\"},\"id\":\"c\",\"type\":\"function\"}]";
    let run = run(json!({ "gen_ai.prompt.0.role": "tool", "gen_ai.prompt.0.content": text }));
    let message = &run.inputs.expect("inputs")["messages"][0];
    assert_eq!(message["role"], "assistant");
    assert_eq!(message["tool_calls"][0]["function"]["name"], "Hello");
}
