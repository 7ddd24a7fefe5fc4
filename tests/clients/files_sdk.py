"""Sends files, and requests that stand in files, with the vendor's SDK.

Argument, JSON: sdk (openai, uploads, anthropic), text, and dir, which has 10.77.31.8.csv and batch.jsonl. Prints JSON: what came
back, or the error's status and body.
"""

import json
import pathlib
import sys

import anthropic
import openai

ask = json.loads(sys.argv[1])
report = pathlib.Path(ask["dir"]) / "10.77.31.8.csv"
lines = pathlib.Path(ask["dir"]) / "batch.jsonl"
options = {"api_key": "sk-test", "max_retries": 0, "timeout": 10}
message = {"role": "user", "content": ask["text"]}


def told(file):
    return {"name": file.filename, "content": file.content}


def by_openai():
    client = openai.OpenAI(**options)
    assistant = client.files.create(file=report, purpose="assistants")
    with lines.open("rb") as opened:
        batched = client.files.create(file=opened, purpose="batch")
    batch = client.batches.create(
        input_file_id=batched.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"note": ask["text"]},
    )
    content = [{"type": "input_file", "file_id": assistant.id}, {"type": "input_text", "text": ask["text"]}]
    answer = client.responses.create(model="stub", input=[{"role": "user", "content": content}])
    return [told(assistant), told(batched), batch.metadata, answer.output_text]


def by_uploads():
    client = openai.OpenAI(**options)
    data = report.read_bytes()
    mime = "text/csv"
    upload = client.uploads.create(filename=report.name, bytes=len(data), mime_type=mime, purpose="assistants")
    part = client.uploads.parts.create(upload.id, data=data)
    done = client.uploads.complete(upload.id, part_ids=[part.id])
    return [upload.filename, part.content, done.status]


def by_anthropic():
    client = anthropic.Anthropic(**options)
    file = client.beta.files.upload(file=report)
    document = {"type": "document", "title": ask["text"], "source": {"type": "file", "file_id": file.id}}
    turn = {"role": "user", "content": [document, {"type": "text", "text": ask["text"]}]}
    answer = client.beta.messages.create(model="stub", max_tokens=9, messages=[turn], betas=["files-api-2025-04-14"])
    params = {"model": "stub", "max_tokens": 9, "messages": [message]}
    batch = client.messages.batches.create(requests=[{"custom_id": "a-1", "params": params}])
    return [told(file), answer.content[0].text, batch.processing_status]


try:
    got = {"openai": by_openai, "uploads": by_uploads, "anthropic": by_anthropic}[ask["sdk"]]()
except openai.APIStatusError as error:
    got = {"status": error.status_code, "body": error.body}
print(json.dumps(got))
