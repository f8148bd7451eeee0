#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# A stand-in for an RFC 2217 server, for what ser2net does not do on request.
#
#   rfc2217_stand_in.py HOST LOG [CASE]    prints its port
#
# LOG gets a line "NUMBER VALUE" for each command, "data HEX" for data. CASE:
#   rate=N     another baud rate than the one asked for
#   silent=N   does not answer command N
#   mute=N     does not answer command 5 with value N
#   refuse     refuses the COM-PORT option
#   suspend    suspends the client at command 5, and resumes it at one with a value above 4
#   modem=N    tells the modem's state when RTS is raised
#   hangup=N   hangs up at the first command 5 with that value
#   late       sends "late" ahead of its answer to command 12
#   closed     answers what asks for the state of DTR and RTS with the question
# Otherwise it tells that state, which is raised at each connection, as a tty's is.
import socket
import sys

IAC, SB, SE, WILL, DO, DONT = 255, 250, 240, 251, 253, 254
COM_PORT = 44

host, log = sys.argv[1], open(sys.argv[2], "w", buffering=1)
# The values of SET-CONTROL that raise DTR and RTS, by the one that asks for the state; behind
# each comes the one that lowers it.
OUTPUTS = {7: 8, 10: 11}
driven = {}
hung_up = []
key, _, value = (sys.argv[3] if len(sys.argv) > 3 else "").partition("=")


def subnegotiation(number, payload=b""):
    payload = bytes([number]) + payload
    return bytes([IAC, SB, COM_PORT]) + payload.replace(b"\xff", b"\xff\xff") + bytes([IAC, SE])


def take_command(peer, payload):
    number, argument = payload[0], payload[1:]
    log.write("%d %d\n" % (number, int.from_bytes(argument, "big")))
    if key == "silent" and number == int(value):
        return
    control = argument[0] if number == 5 else None
    if key == "mute" and control == int(value):
        return
    if key == "hangup" and control == int(value) and control not in hung_up:
        hung_up.append(control)
        raise ConnectionError
    for question, on in OUTPUTS.items():
        if control in (on, on + 1):
            driven[question] = control
        elif control == question and key != "closed":
            argument = bytes([driven[question]])
    if key == "rate" and number == 1:
        argument = int(value).to_bytes(4, "big")
    if key == "suspend" and number == 5:
        peer.sendall(subnegotiation(109 if argument[0] > 4 else 108))
    if key == "late" and number == 12:
        peer.sendall(b"late")
    peer.sendall(subnegotiation(100 + number, argument))
    if key == "modem" and control == OUTPUTS[10]:
        peer.sendall(subnegotiation(107, bytes([int(value)])))


def take_option(peer, verb, option):
    if (verb, option) == (WILL, COM_PORT):
        peer.sendall(bytes([IAC, DONT if key == "refuse" else DO, COM_PORT]))


def serve(peer):
    stream = peer.makefile("rb")
    driven.update(OUTPUTS)
    while (byte := stream.read(1)):
        if byte[0] != IAC:
            log.write("data %s\n" % byte.hex())
            continue
        verb = stream.read(1)[0]
        if verb == IAC:
            log.write("data ff\n")
        elif verb == SB:
            option, payload = stream.read(1)[0], b""
            while not (payload.endswith(b"\xff\xf0") and not payload.endswith(b"\xff\xff\xf0")):
                payload += stream.read(1)
            if option == COM_PORT:
                take_command(peer, payload[:-2].replace(b"\xff\xff", b"\xff"))
        elif verb >= WILL:
            take_option(peer, verb, stream.read(1)[0])


listener = socket.create_server((host, 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        try:
            serve(connection)
        except (ConnectionError, IndexError):
            pass
