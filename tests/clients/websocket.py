"""A WebSocket by hand over HTTP/1.1 (RFC 6455), with Python's standard library alone."""

import base64
import hashlib
import json
import os

import raw

OPENAI = "198.51.100.12"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Session:
    """One connection; frames are sent masked, in as many parts as asked for."""

    def __init__(self, path="/v1/realtime?model=stub", headers=(), host="api.openai.com"):
        self.stream = raw.tls(raw.connect("v4", OPENAI), host)
        # Longer than a body is waited for that was announced and does not come.
        self.stream.settimeout(15)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            *headers,
        ]
        self.stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.head = head.decode().lower()
        self.status = int(self.head.split(" ")[1])
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        self.accepted = base64.b64encode(accept).decode().lower() in self.head

    def fill(self):
        part = self.stream.recv(65536)
        if not part:
            raise EOFError
        self.buffer += part

    def frame(self, opcode, payload, fin=True):
        key = os.urandom(4)
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
        self.stream.sendall(bytes([(0x80 if fin else 0) | opcode]) + length + key + masked)

    def send(self, event, parts=1):
        payload = json.dumps(event, ensure_ascii=False).encode()
        size = -(-len(payload) // parts)
        pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
        for number, piece in enumerate(pieces):
            self.frame(0 if number else TEXT, piece, number + 1 == len(pieces))
            if number == 0 and parts > 1:
                self.frame(PING, b"between")

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def receive(self):
        """Opcode and payload of the next frame."""
        first, size = self.take(2)
        if size > 125:
            size = int.from_bytes(self.take(2 if size == 126 else 8), "big")
        return first & 15, self.take(size)

    def events(self, last):
        """Events up to one of this type; pongs are passed over."""
        events = []
        while not events or events[-1]["type"] != last:
            opcode, payload = self.receive()
            if opcode == TEXT:
                events.append(json.loads(payload))
            elif opcode == CLOSE:
                raise EOFError(payload)
        return events


def create(text):
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}
