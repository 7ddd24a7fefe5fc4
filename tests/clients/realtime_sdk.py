"""A realtime session by Python's `websockets`, or by OpenAI's SDK, which builds on it.

Argument, JSON: by (websockets, openai), texts. Prints JSON: the kinds of the events, those in a row once, what the deltas and
the whole responses said, and the instructions as they came back.
"""

import json
import sys

ask = json.loads(sys.argv[1])


def session(send, receive):
    events = []

    def until(last):
        events.append(receive())
        while events[-1]["type"] != last:
            events.append(receive())

    until("session.created")
    send({"type": "session.update", "session": {"type": "realtime", "instructions": ask["texts"][0]}})
    until("session.updated")
    instructions = events[-1]["session"]["instructions"]
    for text in ask["texts"]:
        content = [{"type": "input_text", "text": text}]
        send({"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}})
        send({"type": "response.create"})
        until("response.done")
    kinds = [event["type"] for event in events]
    return {
        "kinds": [kind for before, kind in zip([None, *kinds], kinds) if kind != before],
        "deltas": "".join(event.get("delta", "") for event in events),
        "whole": [event["response"]["output"] for event in events if event["type"] == "response.done"],
        "instructions": instructions,
    }


def by_websockets():
    from websockets.sync.client import connect

    # It offers permessage-deflate, and checks the server's certificate by SSL_CERT_FILE.
    headers = {"Authorization": "Bearer sk-test"}
    with connect("wss://api.openai.com/v1/realtime?model=stub", additional_headers=headers) as socket:
        return session(lambda event: socket.send(json.dumps(event)), lambda: json.loads(socket.recv(timeout=10)))


def by_openai():
    import openai

    with openai.OpenAI(api_key="sk-test").realtime.connect(model="stub") as connection:
        return session(connection.send, lambda: connection.recv().to_dict())


print(json.dumps({"websockets": by_websockets, "openai": by_openai}[ask["by"]]()))
