"""What no honest client sends, by hand, and what it is told for it."""

import json
import socket
import ssl
import struct

import raw

HEAD = "POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Type: application/json\r\n"
#: Stands in whatever must not get to the provider.
MARK = "hostile-mark"


def body(text=MARK):
    return json.dumps({"model": "stub", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}).encode()


def tls(alpn="http/1.1", name="api.anthropic.com", host=raw.ANTHROPIC[0]):
    context = ssl.create_default_context()
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(raw.connect("v4", host), server_hostname=name)


def post(data, *headers):
    """A whole request, with its Content-Length."""
    lines = "".join(line + "\r\n" for line in headers)
    return (HEAD + lines + f"Content-Length: {len(data)}\r\n\r\n").encode() + data


def status(*parts, **options):
    """The status that bytes are answered with; `closed` where none comes, `silent` after ten seconds."""
    sock = tls(**options)
    try:
        for part in parts:
            sock.sendall(part)
    except OSError:
        pass  # Refused before it was all sent; the answer may be there all the same.
    return answer(sock)[0]


def answer(sock):
    """Status and body of the one answer to come."""
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                continue
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if length and len(rest) >= int(length[0].split(b":")[1]):
                break
    except TimeoutError:
        return ("silent", "") if not data else (data.split(b" ")[1].decode(), "unfinished")
    except OSError:
        pass
    if not data:
        return "closed", ""
    return data.split(b" ")[1].decode(), data.partition(b"\r\n\r\n")[2].decode("latin-1")


def report(cases):
    """Prints name and status of each case, one a line."""
    for name, parts in cases.items():
        print(f"{name}: {status(*parts)}", flush=True)


# HTTP/2 (RFC 9113) and as much of HPACK (RFC 7541) as literals need.

DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(value, bits):
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    out, value = bytearray([most]), value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    out.append(value)
    return bytes(out)


def field(name, value):
    """A header field, literal and not indexed."""
    return b"\0" + b"".join(integer(len(text), 7) + text.encode() for text in (name, value))


def request_fields(length=None, scheme="https", authority="api.anthropic.com"):
    fields = field(":method", "POST") + field(":scheme", scheme) + field(":path", "/v1/messages")
    fields += field(":authority", authority) + field("content-type", "application/json")
    return fields + (field("content-length", str(length)) if length is not None else b"")


def http2(name="api.anthropic.com"):
    sock = tls("h2", name)
    sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
    return sock


def ended(sock, wait=10):
    """How an HTTP/2 connection ended: `goaway N`, `closed`; `reset N` or `answered` where a stream did; else `open`."""
    sock.settimeout(wait)
    data = b""
    try:
        while part := sock.recv(65536):
            data += part
            while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
                kind, payload, data = data[3], data[9 : 9 + size], data[9 + size :]
                if kind == 7:
                    return f"goaway {int.from_bytes(payload[4:8], 'big')}"
                if kind == RST_STREAM:
                    return f"reset {int.from_bytes(payload, 'big')}"
                if kind == HEADERS:
                    return "answered"
    except TimeoutError:
        return "open"
    except OSError:
        pass
    return "closed"
