"""Calls Gemini over gRPC with the vendor's library, and messages by hand.

Argument, JSON: text, stream, method, gzip, and hex, which stands in for the message. Prints JSON: the text that came
back, how many messages, or the status and what was said with it.
"""

import json
import os
import sys

import grpc

SERVICE = "/google.ai.generativelanguage.v1beta.GenerativeService/"


def field(number, value):
    size, length = len(value), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def value(raw):
    """What stands in the only field of a message."""
    at = 1
    while raw[at] & 0x80:
        at += 1
    return raw[at + 1 :]


def text(message):
    for _ in range(4):
        message = value(message) if message else b""
    return message


ask = json.loads(sys.argv[1])
content = field(1, field(2, ask.get("text", "").encode())) + field(2, b"user")
message = bytes.fromhex(ask["hex"]) if "hex" in ask else field(1, b"models/stub") + field(2, content)
roots = open(os.environ["SSL_CERT_FILE"], "rb").read()
channel = grpc.secure_channel("generativelanguage.googleapis.com:443", grpc.ssl_channel_credentials(roots))
method = SERVICE + ask.get("method", "StreamGenerateContent" if ask.get("stream") else "GenerateContent")
call = channel.unary_stream if ask.get("stream") else channel.unary_unary
options = {"timeout": 10, "metadata": (("x-goog-api-key", "key"),)}
if ask.get("gzip"):
    options["compression"] = grpc.Compression.Gzip
got = {}
try:
    answer = call(method)(message, **options)
    messages = [bytes(part) for part in answer] if ask.get("stream") else [answer]
    got = {"text": b"".join(map(text, messages)).decode(), "messages": len(messages)}
except grpc.RpcError as error:
    got = {"status": error.code().name, "details": error.details()}
print(json.dumps(got))
