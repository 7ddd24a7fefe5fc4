"""Calls of every kind until a file is there, or so many: a line for each says how it ended.

name kind outcome began ended detail, with times in seconds of the wall clock. Outcomes: `right`; `refused` before anything
was asked; `closed` before an answer, on a connection that was kept; `cut` within an answer; `own`, an answer of the
agent's own; `stuck`; `wrong`.
"""

import http.client
import json
import pathlib
import random
import sys
import threading
import time

import raw

VALUE = "10.77.31.8"
PAUSE = 1.0
printing = threading.Lock()


class Wrong(Exception):
    pass


class Own(Exception):
    pass


class Closed(Exception):
    pass


class Refused(Exception):
    pass


def opened(host="api.anthropic.com", address=raw.ANTHROPIC[0]):
    """A connection with its TLS done."""
    try:
        kind = random.choice(("v4", "v6", "mapped"))
        connection = http.client.HTTPSConnection(host, timeout=10)
        connection.sock = raw.tls(raw.connect(kind, address), host)
        return connection
    except TimeoutError:
        raise
    except OSError as error:
        raise Refused(type(error).__name__) from error


def ask(connection, text, stream=False, reused=False):
    model = "stub-slow" if stream else "stub"
    body = {"model": model, "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": text}]}
    try:
        connection.request("POST", "/v1/messages", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
    except TimeoutError:
        raise
    except (OSError, http.client.BadStatusLine) as error:
        if reused:
            raise Closed from error
        raise
    read = answer.read().decode()
    if answer.status != 200:
        raise Own(f"{answer.status} {read[:200]!r}")
    return read


def plain(_):
    connection = opened()
    text = f"at {VALUE} now"
    if f"You said: {text}" not in (read := ask(connection, text)):
        raise Wrong(read)
    connection.close()


def streamed(_):
    connection = opened()
    text = " ".join(["word"] * random.randrange(5, 40) + ["at", VALUE])
    read = ask(connection, text, stream=True)
    events = [json.loads(line[6:]) for line in read.splitlines() if line.startswith("data: {")]
    said = "".join(event.get("delta", {}).get("text", "") for event in events)
    if said != f"You said: {text}" or "message_stop" not in read:
        raise Wrong(read)
    connection.close()


def kept(state):
    reused = "kept" in state
    connection = state.pop("kept", None) or opened()
    text = f"kept at {VALUE}"
    if f"You said: {text}" not in (read := ask(connection, text, reused=reused)):
        raise Wrong(read)
    if connection.sock is not None and random.random() < 0.9:
        state["kept"] = connection


def passing(state):
    reused = "passing" in state
    connection = state.pop("passing", None) or opened("www.example.com", "198.51.100.50")
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.BadStatusLine) as error:
        if reused and not isinstance(error, TimeoutError):
            raise Closed from error
        raise
    if connection.sock is not None and random.random() < 0.9:
        state["passing"] = connection


KINDS = {"plain": plain, "streamed": streamed, "kept": kept, "passing": passing}


def outcome(kind, state):
    try:
        KINDS[kind](state)
        return "right", ""
    except Wrong as error:
        return "wrong", repr(str(error)[:500])
    except Own as error:
        return "own", str(error)
    except Closed as error:
        return "closed", repr(error.__cause__)
    except Refused as error:
        return "refused", str(error)
    except TimeoutError as error:
        return "stuck", repr(error)
    except (OSError, http.client.HTTPException) as error:
        return "cut", repr(error)[:200]


def client(name, kind, more):
    state = {}
    while more():
        began = time.time()
        ended_in, detail = outcome(kind, state)
        with printing:
            print(name, kind, ended_in, f"{began:.3f}", f"{time.time():.3f}", detail, flush=True)
        # As clients do: not again at once.
        time.sleep(random.uniform(0, 0.2) if ended_in in ("right", "closed") else PAUSE)


def main():
    options = json.loads(sys.argv[1])
    over = pathlib.Path(options["over"])
    left = [options.get("calls")]

    def more():
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                return False
        return not over.exists()

    threads = [
        threading.Thread(target=client, args=(f"{options['name']}-{number}", kind, more))
        for number, kind in enumerate(options["kinds"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
