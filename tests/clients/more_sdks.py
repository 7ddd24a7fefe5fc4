"""Calls Anthropic Messages, OpenAI Chat Completions and Responses, Azure, Gemini, Vertex or Cohere with the vendor's SDK.

Argument, JSON: sdk (messages, chat, responses, azure, gemini, vertex, cohere), text, and calls: a list of model and stream. Prints JSON, of
each call: the text, or the arguments of the tool call, and of a stream the kinds of its events, those in a row once.
"""

import json
import sys

ask = json.loads(sys.argv[1])
kinds = []


def seen(kind):
    if kinds[-1:] != [kind]:
        kinds.append(kind)


def messages():
    import anthropic

    client = anthropic.Anthropic(api_key="sk-test", max_retries=0, timeout=10)
    request = {"model": ask["model"], "max_tokens": 256, "messages": [{"role": "user", "content": ask["text"]}]}
    if not ask["stream"]:
        return told_by(client.messages.create(**request))
    pieces = ""
    with client.messages.stream(**request) as stream:
        for event in stream:
            # The SDK's own events stand between those that came.
            if event.type not in ("text", "input_json"):
                seen(event.type)
            if event.type == "content_block_delta":
                pieces += event.delta.partial_json if "tool" in ask["model"] else event.delta.text
        assert told_by(stream.get_final_message()) == pieces, pieces
    return pieces


def told_by(message):
    block = message.content[0]
    return block.text if block.type == "text" else json.dumps(block.input, ensure_ascii=False, separators=(",", ":"))


def responses():
    import openai

    client = openai.OpenAI(api_key="sk-test", max_retries=0, timeout=10)
    request = {"model": ask["model"], "input": [{"role": "user", "content": ask["text"]}]}
    if not ask["stream"]:
        return said_by(client.responses.create(**request))
    pieces, whole = "", None
    for event in client.responses.create(stream=True, **request):
        seen(event.type)
        if event.type.endswith(".delta"):
            pieces += event.delta
        elif event.type == "response.output_text.done":
            assert event.text == pieces, (event.text, pieces)
        elif event.type == "response.function_call_arguments.done":
            assert event.arguments == pieces, (event.arguments, pieces)
        elif event.type == "response.completed":
            whole = said_by(event.response)
    assert whole == pieces, (whole, pieces)
    return pieces


def said_by(response):
    return response.output_text or response.output[0].arguments


def chat():
    import openai

    return chat_with(openai.OpenAI(api_key="sk-test", max_retries=0, timeout=10))


def azure():
    import openai

    endpoint = "https://corp.openai.azure.com"
    options = {"azure_endpoint": endpoint, "api_version": "2024-10-21", "max_retries": 0, "timeout": 10}
    return chat_with(openai.AzureOpenAI(api_key="test", **options))


def chat_with(client):
    request = {"model": ask["model"], "messages": [{"role": "user", "content": ask["text"]}]}
    if not ask["stream"]:
        message = client.chat.completions.create(**request).choices[0].message
        return message.content or message.tool_calls[0].function.arguments
    said = ""
    for chunk in client.chat.completions.create(stream=True, **request):
        delta = chunk.choices[0].delta
        seen("call" if delta.tool_calls else "text")
        said += delta.content or ""
        for call in delta.tool_calls or []:
            said += call.function.arguments or ""
    return said


def gemini(**options):
    from google import genai

    client = genai.Client(api_key="test", **options)
    request = {"model": ask["model"], "contents": ask["text"]}
    models = client.models
    if ask["stream"]:
        chunks = models.generate_content_stream(**request)
    else:
        chunks = [models.generate_content(**request)]
    said = ""
    for chunk in chunks:
        for part in chunk.candidates[0].content.parts or []:
            seen("call" if part.function_call else "text")
            if part.function_call:
                said += json.dumps(part.function_call.args)
            said += part.text or ""
    return said


def cohere():
    import cohere

    client = cohere.ClientV2(api_key="test")
    request = {"model": ask["model"], "messages": [{"role": "user", "content": ask["text"]}]}
    if not ask["stream"]:
        message = client.chat(**request).message
        if message.tool_calls:
            return message.tool_calls[0].function.arguments
        return message.content[0].text
    said = ""
    for event in client.chat_stream(**request):
        seen(event.type)
        if event.type == "content-delta":
            said += event.delta.message.content.text
        elif event.type == "tool-call-delta":
            said += event.delta.message.tool_calls.function.arguments
    return said


def vertex():
    return gemini(vertexai=True)


sdks = {
    "messages": messages,
    "chat": chat,
    "responses": responses,
    "azure": azure,
    "gemini": gemini,
    "vertex": vertex,
    "cohere": cohere,
}
got = []
for call in ask["calls"]:
    ask |= call
    kinds.clear()
    text = sdks[ask["sdk"]]()
    tool = json.loads(text) if "tool" in ask["model"] else None
    got.append({"text": text, "tool": tool, "kinds": list(kinds)})
print(json.dumps(got))
