"""Sockets of every kind, and HTTP by hand over them, with Python's standard library alone."""

import gzip
import http.client
import json
import os
import socket
import ssl
import zlib

ANTHROPIC = ("198.51.100.11", 443)
MPTCP = 262
FASTOPEN = 0x20000000
# Before Linux 5.18, a program that refuses a call can't choose its error.
OLD = tuple(map(int, os.uname().release.split(".")[:2])) < (5, 18)


def connect(kind, host=ANTHROPIC[0], port=443):
    """A connected socket: v4, v6, mapped (IPv4 on an IPv6 socket), mptcp."""
    if kind == "v6":
        host = "2001:db8::" + host.rsplit(".", 1)[1]
    if kind == "mapped":
        host = "::ffff:" + host
    family = socket.AF_INET6 if kind in ("v6", "mapped") else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, MPTCP if kind == "mptcp" else 0)
    sock.settimeout(10)
    sock.connect((host, port))
    return sock


def tls(sock, name="api.anthropic.com"):
    return ssl.create_default_context().wrap_socket(sock, server_hostname=name)


def request(text, name="api.anthropic.com", model="stub"):
    """The bytes of a whole HTTP/1.1 request."""
    body = json.dumps({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": text}]})
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def exchange(stream, data):
    """Sends bytes, gives back all that comes until the end."""
    stream.sendall(data)
    answer = b""
    while part := stream.recv(65536):
        answer += part
    return answer.decode()


def fast_open(text, name="api.anthropic.com", address=ANTHROPIC):
    """A request over TCP Fast Open: the ClientHello is data of the sendto that connects."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    # Blocking: with a time limit of Python's own, sendto would not wait for the handshake.
    sock = socket.socket(socket.AF_INET)
    flags = [FASTOPEN]

    def flush():
        if data := outgoing.read():
            if flags:
                # The kernel may take a part, or none before it has a cookie.
                sent = sock.sendto(data, flags.pop(), address)
                data = data[sent:]
            sock.sendall(data)

    def step(action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                flush()
                if not (data := sock.recv(65536)):
                    incoming.write_eof()
                incoming.write(data)
            finally:
                flush()

    step(session.do_handshake)
    step(lambda: session.write(request(text, name)))
    answer = b""
    try:
        while part := step(lambda: session.read(65536)):
            answer += part
    except ssl.SSLError:
        pass
    return answer.decode()


def refused(call):
    """The name of the error that a call ends in, ConnectionRefusedError for what a program refuses; `none` if it ends well."""
    name = error(call)
    return "ConnectionRefusedError" if OLD and name == "PermissionError" else name


def error(call):
    """The name of the error that a call ends in, as it is; `none` if it ends well."""
    try:
        call()
    except OSError as error:
        return type(error).__name__
    return "none"


def post(host, path, body, coding=None, chunk=None):
    """A body posted with http.client: compressed, or in chunks of so many bytes. Status and answer."""
    if coding:
        body = {"gzip": gzip.compress, "deflate": zlib.compress}[coding](body)
    headers = {"Content-Type": "application/json"} | ({"Content-Encoding": coding} if coding else {})
    connection = http.client.HTTPSConnection(host, timeout=20)
    if chunk:
        headers["Transfer-Encoding"] = "chunked"
        body = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    connection.request("POST", path, body, headers, encode_chunked=bool(chunk))
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def escaped(text):
    """A JSON string in which every character is an escape."""
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)) + '"'


def hello(name, ech=False):
    """A ClientHello: for a name or none, with an Encrypted ClientHello in it or not."""
    context = ssl.create_default_context()
    context.check_hostname = name is not None
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    record = outgoing.read()
    if not ech:
        return record
    body = record[9:]
    at = 34
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + int.from_bytes(body[at : at + width], "big")
    extensions = body[at + 2 :] + bytes.fromhex("fe0d 000b 00 0001 0001 07 0000 0001 ff")
    body = body[:at] + len(extensions).to_bytes(2, "big") + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return record[:3] + len(message).to_bytes(2, "big") + message
