#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays a USB device of the HID class to the kernel, through /dev/uhid: hid_device.py KIND SERIAL.

KIND is ykush, which is a gadget on a USB bus of its own (dummy_hcd), since the kernel's HID drivers
leave it alone; or ykush3, ykush-xs, usbrelay (with 2 relays, its own number is SERIAL), noyito (with 4), or
cp2112, whose driver makes a GPIO controller of it. Prints a line for each report that comes: what
it is, and its bytes. Its physical place is its process number. Runs until it is killed.
"""
import os
import signal
import struct
import sys

# Numbers of linux/uhid.h.
OUTPUT, GET_REPORT, GET_REPORT_REPLY, CREATE2, INPUT2, SET_REPORT, SET_REPORT_REPLY = (
    6, 9, 10, 11, 12, 13, 14)
DATA_BYTES = 4096
EVENT_BYTES = 4 + 4376
BUS_USB = 3


def descriptor(report_bytes):
    """One collection of the vendor's own, with a report of that length each way and a feature."""
    size = bytes([0x75, 8, 0x95, report_bytes])
    return (bytes([0x06, 0x00, 0xFF, 0x09, 1, 0xA1, 1, 0x15, 0, 0x26, 0xFF, 0])
            + size + bytes([0x09, 1, 0x81, 2]) + size + bytes([0x09, 1, 0x91, 2])
            + size + bytes([0x09, 1, 0xB1, 2, 0xC0]))


class Device:
    """What all kinds do: remember which ports are on, and take reports that mean nothing."""

    report_bytes = 64

    def __init__(self, serial):
        self.serial = serial
        self.usb_serial = serial.encode()
        self.ports = 0

    def switch(self, mask, on):
        self.ports = self.ports | mask if on else self.ports & ~mask

    def output(self, report):
        """Returns the input report that answers, or none."""
        return None

    def feature(self, number):
        return b""

    def set_feature(self, number, report):
        pass


class Ykush3(Device):
    vendor, product, name = 0x04D8, 0xF11B, "YKUSH3"
    count = 3

    def output(self, report):
        command, port = report[0] & 0xF0, report[0] & 0x0F
        mask = (1 << self.count) - 1 if port == 0x0A else 1 << (port - 1)
        if not mask & ((1 << self.count) - 1):
            return bytes([0, report[0]]).ljust(64, b"\0")
        if command == 0x20:
            return bytes([1, (0x10 if self.ports & mask else 0) | port]).ljust(64, b"\0")
        self.switch(mask, command == 0x10)
        return bytes([1, report[0]]).ljust(64, b"\0")


class Ykush(Ykush3):
    product, name = 0xF2F7, "YKUSH"


class YkushXs(Ykush3):
    product, name = 0xF0CD, "YKUSH XS"
    count = 1


class UsbRelay(Device):
    """Its USB strings have no number: that and the relays are in its feature report."""

    vendor, product, name = 0x16C0, 0x05DF, "USBRelay2"
    report_bytes = 8

    def __init__(self, serial):
        super().__init__(serial)
        self.usb_serial = b""

    def feature(self, number):
        return self.serial.encode().ljust(7, b"\0") + bytes([self.ports])

    def set_feature(self, number, report):
        commands = {0xFF: (1, True), 0xFD: (1, False), 0xFE: (3, True), 0xFC: (3, False)}
        mask, on = commands[report[0]]
        self.switch(1 << (report[1] - 1) if report[0] in (0xFF, 0xFD) else mask, on)


class Noyito(Device):
    vendor, product, name = 5131, 2007, "USBRelay Noyito"
    count = 4

    def output(self, report):
        head, channel, position, check = report[:4]
        if head != 0xA0 or check != (head + channel + position) & 0xFF:
            return None
        if channel == 0x0F:
            said = "".join(f"CH{n + 1}:{'ON' if self.ports >> n & 1 else 'OFF'}\r\n"
                           for n in range(self.count))
            return said.encode().ljust(64, b"\0")
        self.switch(1 << (channel - 1), position == 1)
        return None


class Cp2112(Device):
    """AN495 of its maker: reports 2 to 4 are its pins' directions and levels."""

    vendor, product, name = 0x10C4, 0xEA90, "CP2112 HID USB-to-SMBus Bridge"
    directions = drive = 0

    def feature(self, number):
        return {
            0x02: bytes([2, self.directions, self.drive, 0, 0]),
            0x03: bytes([3, self.ports]),
            0x05: bytes([5, 0x0C, 0x01]),
            0x06: bytes([6]).ljust(14, b"\0"),
            0x20: bytes([0x20, 0]),
        }.get(number, b"")

    def set_feature(self, number, report):
        if number == 0x02:
            self.directions, self.drive = report[1:3]
        elif number == 0x04:
            self.ports = self.ports & ~report[2] | report[1] & report[2]


KINDS = {"ykush": Ykush, "ykush3": Ykush3, "ykush-xs": YkushXs, "usbrelay": UsbRelay, "noyito": Noyito,
         "cp2112": Cp2112}


def say(what, data):
    print(what, data.rstrip(b"\0").hex(" "), flush=True)


def create(uhid, device):
    described = descriptor(device.report_bytes)
    os.write(uhid, struct.pack("<I128s64s64sHHIIII", CREATE2, device.name.encode(),
                               str(os.getpid()).encode(), device.usb_serial, len(described),
                               BUS_USB, device.vendor, device.product, 0, 0)
             + described.ljust(DATA_BYTES, b"\0"))


def unnumbered(data):
    """A USB driver keeps the number 0, which means none, for itself."""
    return data[1:] if data[:1] == b"\0" else data


def handle(uhid, device, event):
    kind, body = struct.unpack_from("<I", event)[0], event[4:]
    if kind == OUTPUT:
        size = struct.unpack_from("<H", body, DATA_BYTES)[0]
        report = unnumbered(body[:size])
        say("output", report)
        answer = device.output(report)
        if answer:
            os.write(uhid, struct.pack("<IH", INPUT2, len(answer)) + answer)
    elif kind == GET_REPORT:
        request, number = struct.unpack_from("<IB", body)
        answer = device.feature(number)
        os.write(uhid, struct.pack("<IIHH", GET_REPORT_REPLY, request, 0 if answer else 5,
                                   len(answer)) + answer)
    elif kind == SET_REPORT:
        request, number, _, size = struct.unpack_from("<IBBH", body)
        report = unnumbered(body[8:8 + size])
        say("feature", report)
        device.set_feature(number, report)
        os.write(uhid, struct.pack("<IIH", SET_REPORT_REPLY, request, 0))


class Gadget:
    """A gadget with one HID function, in configfs."""

    folder = "/sys/kernel/config/usb_gadget/jflash"

    def __init__(self, device):
        self.device = device
        for name in ("strings/0x409", "configs/c.1", "functions/hid.0"):
            os.makedirs(f"{self.folder}/{name}")
        for name, value in (("idVendor", device.vendor), ("idProduct", device.product),
                            ("strings/0x409/product", device.name),
                            ("strings/0x409/serialnumber", device.serial),
                            ("functions/hid.0/report_length", device.report_bytes)):
            self.write(name, str(value).encode())
        self.write("functions/hid.0/report_desc", descriptor(device.report_bytes))
        os.symlink(f"{self.folder}/functions/hid.0", f"{self.folder}/configs/c.1/hid.0")
        self.write("UDC", b"dummy_udc.0")

    def write(self, name, value):
        with open(f"{self.folder}/{name}", "wb", buffering=0) as file:
            file.write(value)

    def play(self):
        node = os.open("/dev/hidg0", os.O_RDWR)
        while True:
            report = os.read(node, self.device.report_bytes)
            say("output", report)
            answer = self.device.output(report)
            if answer:
                os.write(node, answer)

    def close(self):
        self.write("UDC", b"\n")
        os.unlink(f"{self.folder}/configs/c.1/hid.0")
        for name in ("functions/hid.0", "configs/c.1", "strings/0x409", "."):
            os.rmdir(f"{self.folder}/{name}".removesuffix("/."))


def play_gadget(device):
    gadget = Gadget(device)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        gadget.play()
    finally:
        gadget.close()


def play_uhid(device):
    uhid = os.open("/dev/uhid", os.O_RDWR)
    create(uhid, device)
    while True:
        handle(uhid, device, os.read(uhid, EVENT_BYTES))


def main():
    kind, serial = sys.argv[1:]
    device = KINDS[kind](serial)
    if kind == "ykush":
        play_gadget(device)
    else:
        play_uhid(device)


main()
