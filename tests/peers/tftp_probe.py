#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# Says to a TFTP server what no proper client would: tftp_probe.py PROBE HOST PORT.
# Prints what came back, one packet a line.
import socket
import struct
import sys

probe, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
server = (host, port)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
NAMES = {3: "DATA", 4: "ACK", 5: "ERROR", 6: "OACK"}


def rrq(name, *options, opcode=1, mode=b"octet"):
    parts = [name, mode, *options]
    return struct.pack(">H", opcode) + b"".join(part + b"\0" for part in parts)


def show(packet, sender):
    opcode, block = struct.unpack(">HH", packet[:4].ljust(4, b"\0"))
    kind = NAMES.get(opcode, str(opcode))
    if kind == "ERROR":
        print(kind, block, packet[4:-1].decode())
    elif kind == "OACK":
        print(kind, packet[2:-1].replace(b"\0", b" ").decode())
    else:
        print(kind, block, len(packet) - 4)
    return opcode, block, sender


def drain(seconds):
    """Shows all that arrives until nothing came for `seconds`."""
    count, sender = 0, None
    sock.settimeout(seconds)
    try:
        while True:
            packet, sender = sock.recvfrom(70000)
            show(packet, sender)
            count += 1
    except TimeoutError:
        return count, sender


def ack(block, to):
    sock.sendto(struct.pack(">HH", 4, block), to)


def send(*packets):
    for packet in packets:
        sock.sendto(packet, server)
        drain(0.15)


if probe == "malformed":
    send(b"", b"\0", b"\0\1", b"\0\1x", b"\0\1x\0octet", rrq(b"x", mode=b"mail"), b"\0\7abc",
         b"\0\5\0\1stop\0", b"\0\6blksize\x00512\0", rrq(b"small", b"blksize", b"x"))
elif probe == "strangers":
    send(struct.pack(">HH", 4, 7), struct.pack(">HH", 3, 7) + b"x" * 512)
elif probe == "apprentice":
    # Each ACK is sent three times: each block must still come once.
    sock.sendto(rrq(b"small"), server)
    sock.settimeout(5)
    packet, sender = sock.recvfrom(70000)
    opcode, block, _ = show(packet, sender)
    while len(packet) == 516:
        for _ in range(3):
            ack(block, sender)
        packet, _ = sock.recvfrom(70000)
        opcode, block, _ = show(packet, sender)
    for _ in range(3):
        ack(block, sender)
    print("more", drain(0.3)[0])
elif probe == "repeat":
    # The request twice, as a network may double it: one transfer, one answer.
    request = rrq(b"small", b"blksize", b"1024")
    sock.sendto(request, server)
    sock.sendto(request, server)
    _, sender = drain(0.1)
    ack(0, sender)
    packet, _ = sock.recvfrom(70000)
    show(packet, sender)
    ack(1, sender)
    drain(0.1)
elif probe == "abort":
    sock.sendto(rrq(b"small"), server)
    packet, sender = sock.recvfrom(70000)
    show(packet, sender)
    sock.sendto(b"\0\5\0\0no more room\0", sender)
    print("more", drain(0.6)[0])
elif probe == "vanish":
    sock.sendto(rrq(b"small"), server)
    show(*sock.recvfrom(70000))
elif probe == "address":
    sock.sendto(rrq(b"small"), server)
    print(sock.recvfrom(70000)[1][0])
elif probe == "options":
    for options in ([b"blksize", b"65464"], [b"blksize", b"70000", b"tsize", b"0"],
                    [b"windowsize", b"65535", b"timeout", b"3"], [b"timeout", b"0"],
                    [b"blksize", b"4"], [b"windowsize", b"0"], [b"multicast", b""]):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.sendto(rrq(b"small", *options), server)
        packet, sender = sock.recvfrom(70000)
        show(packet, sender)
        sock.sendto(b"\0\5\0\0enough\0", sender)
else:
    sys.exit("no such probe: " + probe)
