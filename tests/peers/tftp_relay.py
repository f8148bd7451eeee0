#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# A UDP relay between TFTP clients and a server that loses, doubles and reorders
# packets: tftp_relay.py SERVER_PORT LOSS DOUBLING REORDER SEED (shares of 1).
# Prints its pid and port; runs until it is killed, two minutes at most.
import heapq
import os
import random
import select
import socket
import sys
import time

server_port = int(sys.argv[1])
loss, doubling, reorder = map(float, sys.argv[2:5])
dice = random.Random(int(sys.argv[5]))

front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
front.bind(("127.0.0.1", 0))
print(os.getpid(), front.getsockname()[1], flush=True)

links = {}  # client address: (to the client, to the server)
partner = {}  # socket: [socket to send with, address to send to]
waiting = []  # (when, number, socket, address, packet)
number = 0


def new_link(client):
    down, up = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for end in (down, up):
        end.bind(("127.0.0.1", 0))
    partner[down] = [up, ("127.0.0.1", server_port)]
    partner[up] = [down, client]
    links[client] = down
    return down


def forward(packet, out, address):
    global number
    if dice.random() < loss:
        return
    # A second OACK makes atftp abort: its own fault, and not what is tested here.
    oack = packet[:2] == b"\0\6"
    for _ in range(2 if not oack and dice.random() < doubling else 1):
        delay = 0.002 + 0.008 * dice.random() if dice.random() < reorder else 0
        number += 1
        heapq.heappush(waiting, (time.monotonic() + delay, number, out, address, packet))


end = time.monotonic() + 120
while time.monotonic() < end:
    pause = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.5
    for sock in select.select([front, *partner], [], [], pause)[0]:
        try:
            packet, sender = sock.recvfrom(70000)
        except ConnectionError:
            continue
        if sock is front:
            down = links.get(sender) or new_link(sender)
            forward(packet, *partner[down])
            continue
        out, address = partner[sock]
        if out is not None and sock not in links.values():
            partner[out][1] = sender  # the server's port for this transfer
        forward(packet, out, address)
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, out, address, packet = heapq.heappop(waiting)
        out.sendto(packet, address)
