"""Converses with Amazon Bedrock by the vendor's SDK.

Argument, JSON: model, text, stream, tool, invoke (as Anthropic's models are asked), token, which stands in for a
signature, and session, the token of temporary credentials. Prints JSON: text and tool as they came back, or the error.
"""

import json
import os
import sys

import boto3
import botocore
from botocore.config import Config

ask = json.loads(sys.argv[1])
if token := ask.get("token"):
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = token
client = boto3.client(
    "bedrock-runtime",
    region_name="eu-central-1",
    aws_access_key_id="AKID" + "CLIENTEXAMPLE",
    aws_secret_access_key="secret",
    aws_session_token=ask.get("session"),
    verify=os.environ["SSL_CERT_FILE"],
    config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
)
messages = [{"role": "user", "content": [{"text": ask["text"]}]}]


def converse():
    request = {"modelId": ask["model"], "messages": messages}
    if not ask.get("stream"):
        content = client.converse(**request)["output"]["message"]["content"]
        tools = [block["toolUse"]["input"] for block in content if "toolUse" in block]
        return "".join(block.get("text", "") for block in content), tools[0] if tools else None
    text, tool = "", ""
    for event in client.converse_stream(**request)["stream"]:
        delta = event.get("contentBlockDelta", {}).get("delta", {})
        text += delta.get("text", "")
        tool += delta.get("toolUse", {}).get("input", "")
    return text, json.loads(tool) if tool else None


def invoke():
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [
        {"role": "user", "content": [{"type": "text", "text": ask["text"]}]}]}
    request = {"modelId": ask["model"], "body": json.dumps(body)}
    if not ask.get("stream"):
        return json.loads(client.invoke_model(**request)["body"].read())["content"][0]["text"], None
    text = ""
    for event in client.invoke_model_with_response_stream(**request)["body"]:
        inner = json.loads(event["chunk"]["bytes"])
        text += inner.get("delta", {}).get("text", "")
    return text, None


got = {"text": "", "tool": None, "error": None}
try:
    got["text"], got["tool"] = invoke() if ask.get("invoke") else converse()
except botocore.exceptions.ClientError as error:
    got["error"] = str(error)
print(json.dumps(got))
