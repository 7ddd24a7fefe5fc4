"""Calls OpenAI Responses, Gemini or Cohere with the vendor's SDK.

Argument, JSON: sdk (responses, gemini, cohere), model, text, stream. Prints JSON: the text, or the
arguments of the tool call, and for a stream the kinds of its events, those in a row once.
"""

import json
import sys

ask = json.loads(sys.argv[1])
text, kinds = "", []


def seen(kind):
    if kinds[-1:] != [kind]:
        kinds.append(kind)


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


def gemini():
    from google import genai

    client = genai.Client(api_key="test")
    request = {"model": ask["model"], "contents": ask["text"]}
    models = client.models
    chunks = [models.generate_content(**request)]
    if ask["stream"]:
        chunks = models.generate_content_stream(**request)
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


text = {"responses": responses, "gemini": gemini, "cohere": cohere}[ask["sdk"]]()
tool = json.loads(text) if "tool" in ask["model"] else None
print(json.dumps({"text": text, "tool": tool, "kinds": kinds}))
