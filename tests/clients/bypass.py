"""Ways past the agent, each tried for real: every function tries to get a text to the LLM host and gives back the answer.

Arguments: the steered cgroup below its mount, and a network namespace to enter. Prints a JSON object:
for each attempt `masked` where the answer came, with the value in it, or `refused`; the caller looks at what the provider got.
"""

import array
import ctypes
import json
import os
import select
import socket
import ssl
import struct
import sys
import time

import raw

CGROUP, NETNS = sys.argv[1:]
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWCGROUP, CLONE_NEWNET = 0x02000000, 0x40000000


def ask(sock, text):
    """One request over TLS on a connected socket."""
    return raw.exchange(raw.tls(sock), raw.request(text))


def address_with_sni(text):
    return ask(raw.connect("v4"), text)


def address_without_sni(text):
    return raw.exchange(nameless(raw.connect("v4")), raw.request(text))


def nameless(sock):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


def used(stream, name):
    """A connection on which one request was answered already."""
    stream.sendall(raw.request("nothing", name).replace(b"Connection: close\r\n", b""))
    head = b""
    while b"\r\n\r\n" not in head:
        head += stream.recv(1)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while length:
        length -= len(stream.recv(length))
    return stream


def other_host_later_on_the_connection(text):
    stream = used(raw.tls(raw.connect("v4")), "api.anthropic.com")
    return raw.exchange(stream, raw.request(text, name="www.example.com"))


def plain_http(text):
    return raw.exchange(raw.connect("v4", port=80), raw.request(text))


def plain_http_to_another_host_later(text):
    sock = used(raw.connect("v4", host="198.51.100.50", port=80), "www.example.com")
    return raw.exchange(sock, raw.request(text))


def tunnel(to, sock=None):
    """A socket with a tunnel through somebody's proxy."""
    sock = sock or raw.connect("v4", host="198.51.100.50", port=80)
    sock.sendall(f"CONNECT {to}:443 HTTP/1.1\r\nHost: {to}:443\r\n\r\n".encode())
    if b" 200 " not in sock.recv(65536):
        raise OSError("no tunnel")
    return sock


def connect_through_a_proxy(text):
    return ask(tunnel("api.anthropic.com"), text)


def connect_to_an_address_through_a_proxy(text):
    return ask(tunnel(raw.ANTHROPIC[0]), text)


def connect_to_a_made_up_name_through_a_proxy(text):
    return raw.exchange(nameless(tunnel("made-up.example")), raw.request(text))


def connect_behind_another_request(text):
    return ask(tunnel("api.anthropic.com", used(raw.connect("v4", host="198.51.100.50", port=80), "www.example.com")), text)


def quic_connected(text):
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.connect(raw.ANTHROPIC)
    sock.send(text.encode())
    return text


def quic_unconnected(text):
    socket.socket(type=socket.SOCK_DGRAM).sendto(text.encode(), raw.ANTHROPIC)
    return text


def quic_corked(text):
    """A datagram goes to where its socket was connected when it was begun, wherever that is connected when it is sent."""
    sock = corked(socket.AF_INET, raw.ANTHROPIC[0], text)
    check(LIBC.connect(sock.fileno(), bytes(16), 16))  # AF_UNSPEC: to nowhere
    sock.send(b"")
    return text


def quic_corked_then_connected_elsewhere(text):
    sock = corked(socket.AF_INET6, "2001:db8::11", text)
    sock.connect(("2001:db8::50", 53))
    sock.send(b"")
    return text


def corked(family, host, text):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(("", 0))
    sock.connect((host, 443))
    sock.send(text.encode(), socket.MSG_MORE)
    return sock


def multipath_tcp(text):
    return ask(raw.connect("mptcp"), text)


def fast_open_by_sendto(text):
    return raw.fast_open(text)


def fast_open_by_option(text):
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT: the connect only notes where to
    sock.connect(raw.ANTHROPIC)
    return ask(sock, text)


def non_blocking(text):
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(raw.ANTHROPIC)
    select.select([], [sock], [], 10)
    sock.settimeout(10)
    return ask(sock, text)


def io_uring(text):
    """IORING_OP_CONNECT, with the ring set up by hand (io_uring(7))."""
    setup, enter, connect = 425, 426, 16
    params = (ctypes.c_uint32 * 30)()
    ring = LIBC.syscall(setup, 4, params)
    if ring < 0:
        raise RuntimeError("no io_uring")
    # struct io_uring_params: ten words, then the offsets of the submission ring and those of the completion ring.
    tail, mask, entries, ring_array = params[11], params[12], params[13], params[16]
    import mmap

    queue = mmap.mmap(ring, ring_array + 4 * 4, offset=0)
    slots = mmap.mmap(ring, 4 * 64, offset=0x10000000)
    sock = socket.socket()
    host, port = raw.ANTHROPIC
    address = ctypes.create_string_buffer(
        struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
    )
    slots[:64] = struct.pack(
        "=BBHiQQIIQ24x", connect, 0, 0, sock.fileno(), 16, ctypes.addressof(address), 0, 0, 7
    )
    queue[ring_array : ring_array + 4] = struct.pack("=I", 0)
    queue[tail : tail + 4] = struct.pack("=I", 1)
    if LIBC.syscall(enter, ring, 1, 1, 1, None, 0) != 1:
        raise RuntimeError("io_uring took nothing")
    sock.settimeout(10)
    sock.getpeername()
    return ask(sock, text)


def forged_mark(text):
    sock = socket.socket()
    sock.settimeout(10)
    for mark in (1, 0x1337, 0xFFFFFFFF):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("=I", mark))
    sock.connect(raw.ANTHROPIC)
    return ask(sock, text)


def bound_to_a_device(text):
    sock = socket.socket()
    sock.settimeout(2)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    sock.connect(raw.ANTHROPIC)
    return ask(sock, text)


def made_in_another_cgroup(text):
    """A socket made by a process of one cgroup, and used by one of another."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            join("maker")
            made = array.array("i", [socket.socket().detach()])
            theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, made)])
        finally:
            os._exit(0)
    theirs.close()
    _, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
    os.waitpid(child, 0)
    join("user")
    sock = socket.socket(fileno=array.array("i", ancillary[0][2])[0])
    sock.settimeout(10)
    sock.connect(raw.ANTHROPIC)
    return ask(sock, text)


def join(name):
    """Joins a new cgroup below the steered one."""
    folder = f"/sys/fs/cgroup/{CGROUP}/{name}-{os.getpid()}"
    os.mkdir(folder)
    with open(f"{folder}/cgroup.procs", "w") as procs:
        procs.write("0")


def nested_cgroup_namespace(text):
    join("nested")
    check(LIBC.unshare(CLONE_NEWCGROUP))
    return ask(raw.connect("v4"), text)


def entered_network_namespace(text):
    with open(NETNS) as there:
        check(LIBC.setns(there.fileno(), CLONE_NEWNET))
    return ask(raw.connect("v4"), text)


def check(result):
    if result:
        raise RuntimeError(os.strerror(ctypes.get_errno()))


def client_hello_in_single_bytes(text):
    def send(sock, hello):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in hello:
            sock.send(bytes([byte]))
            time.sleep(0.0005)

    return ask_after(send, raw.connect("v4"), text)


def client_hello_of_another_version(text):
    """The version of its record is none of what is signed, and not every server looks at it."""
    # Nobody may have said yet that this address is an LLM host's.
    sock = raw.connect("v4", host="198.51.100.12")
    return ask_after(lambda sock, hello: sock.sendall(hello[:1] + b"\x02\x01" + hello[3:]), sock, text)


def ask_after(send, sock, text):
    """One request over TLS, whose ClientHello is sent by hand."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="api.anthropic.com")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    send(sock, outgoing.read())
    while True:
        try:
            session.do_handshake()
            break
        except ssl.SSLWantReadError:
            if not (data := sock.recv(65536)):
                raise OSError("closed")
            incoming.write(data)
    session.write(raw.request(text))
    sock.sendall(outgoing.read())
    answer = b""
    while data := sock.recv(65536):
        incoming.write(data)
        try:
            while part := session.read(65536):
                answer += part
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
    return answer.decode()


def raw_tcp(text):
    """A SYN with data, headers and all by hand; the kernel would fill in nothing but the IP header."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    sock.sendto(syn() + text.encode(), (raw.ANTHROPIC[0], 0))
    return text


def raw_ip(text):
    """The same with an IP header by hand."""
    data = syn() + text.encode()
    source, to = socket.inet_aton("198.51.100.2"), socket.inet_aton(raw.ANTHROPIC[0])
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 1, 0, 64, 6, 0, source, to)
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sock.sendto(header + data, (raw.ANTHROPIC[0], 0))
    return text


def raw_udp(text):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    sock.sendto(struct.pack("!HHHH", 5555, 443, 8 + len(text), 0) + text.encode(), (raw.ANTHROPIC[0], 0))
    return text


def raw_tcp_over_ipv6(text):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_TCP)
    sock.sendto(syn() + text.encode(), ("2001:db8::11", 0))
    return text


def syn():
    return struct.pack("!HHIIBBHHH", 5555, 443, 1, 0, 0x50, 2, 65535, 0, 0)


ATTEMPTS = [
    address_with_sni,
    address_without_sni,
    other_host_later_on_the_connection,
    plain_http,
    plain_http_to_another_host_later,
    connect_through_a_proxy,
    connect_to_an_address_through_a_proxy,
    connect_to_a_made_up_name_through_a_proxy,
    connect_behind_another_request,
    quic_connected,
    quic_unconnected,
    quic_corked,
    quic_corked_then_connected_elsewhere,
    multipath_tcp,
    fast_open_by_sendto,
    fast_open_by_option,
    non_blocking,
    io_uring,
    forged_mark,
    bound_to_a_device,
    made_in_another_cgroup,
    nested_cgroup_namespace,
    entered_network_namespace,
    client_hello_in_single_bytes,
    client_hello_of_another_version,
    raw_tcp,
    raw_ip,
    raw_udp,
    raw_tcp_over_ipv6,
]


def attempt(number, call):
    """In a process of its own, since some change what they are in. What came of it, and the value that was to be sent."""
    value = f"i-0{number:016x}"
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            seen = "masked" if value in call(f"stop {value}") else "refused"
        except OSError:
            seen = "refused"
        except BaseException as error:
            seen = f"broken: {error!r}"
        os.write(theirs, seen.encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(child, 0)
    with os.fdopen(ours) as pipe:
        return {"seen": pipe.read(), "value": value}


# `ip netns exec` gave us a /sys of our own, without cgroups.
check(LIBC.mount(b"none", b"/sys/fs/cgroup", b"cgroup2", 0, None))
print(json.dumps({call.__name__: attempt(number, call) for number, call in enumerate(ATTEMPTS, 0xB1DE)}))
