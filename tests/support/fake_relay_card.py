#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A FAKE of relay cards behind a serial port, on standard input and output: a Noyito
card (frames A0 channel position sum, FF asks) that also takes the words "relay N on",
"relay N off" and "read N", as others do. fake_relay_card.py FOLDER: the relays' positions
are in the file FOLDER/relays; with FOLDER/stuck they do not move, with FOLDER/mute it
says nothing.
"""
import os
import re
import sys

folder = sys.argv[1]
relays = [0, 0]


def put(name, text):
    with open(f"{folder}/{name}.new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")


def say(text):
    if not os.path.exists(f"{folder}/mute"):
        os.write(1, text.encode())


def switch(channel, position):
    if not os.path.exists(f"{folder}/stuck"):
        relays[channel - 1] = position
    put("relays", "".join(map(str, relays)))


def word_of(position):
    return "ON" if position else "OFF"


def take(pending):
    """Acts on what stands at the beginning of `pending` and returns the rest."""
    if pending[:1] == b"\xff":
        for channel, position in enumerate(relays, 1):
            say(f"CH{channel}: {word_of(position)}\r\n")
        return pending[1:]
    if pending[:1] == b"\xa0" and len(pending) >= 4:
        if sum(pending[:3]) & 0xFF == pending[3]:
            switch(pending[1], pending[2])
        return pending[4:]
    found = re.match(rb"relay (\d) (on|off)\r\n", pending)
    if found:
        switch(int(found[1]), int(found[2] == b"on"))
        say("ok\r\n")
        return pending[found.end():]
    found = re.match(rb"read (\d)\r\n", pending)
    if found:
        say(f"relay {found[1].decode()} is {word_of(relays[int(found[1]) - 1]).lower()}\r\n")
        return pending[found.end():]
    return None


def main():
    put("relays", "00")
    pending = b""
    while True:
        read = os.read(0, 256)
        if not read:
            return
        pending += read
        rest = take(pending)
        while rest is not None:
            pending = rest
            rest = take(pending)


main()
