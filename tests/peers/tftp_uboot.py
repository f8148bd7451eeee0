#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# A real U-Boot in QEMU fetches a file: tftp_uboot.py SERVER FILE WINDOW…
# WINDOW 0 leaves the window unset. One line per window: "WINDOW seconds rate".
# Exits 1, with the console's output, unless each time the CRC is right.
import re
import signal
import sys
import zlib

import pexpect

server, path, windows = sys.argv[1], sys.argv[2], sys.argv[3:]
with open(path, "rb") as file:
    data = file.read()
crc = "%08x" % zlib.crc32(data)

# jflash blocks SIGHUP in its children; QEMU must go when its terminal does.
signal.pthread_sigmask(signal.SIG_SETMASK, [])

qemu = pexpect.spawn("qemu-system-aarch64", [
    "-M", "virt", "-cpu", "cortex-a57", "-smp", "1", "-m", "512", "-nodefaults",
    "-display", "none", "-monitor", "none", "-serial", "stdio",
    "-bios", "/usr/lib/u-boot/qemu_arm64/u-boot.bin",
    "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0"],
    timeout=30, encoding="latin-1")
qemu.delaybeforesend = None


def command(line, timeout=30):
    qemu.sendline(line)
    qemu.expect_exact("\n=> ", timeout=timeout)
    return qemu.before


try:
    qemu.expect_exact("Hit any key to stop autoboot")
    qemu.send(" ")
    qemu.expect_exact("=> ")
    command("setenv autoload no; dhcp")
    command("setenv serverip " + server)
    missing = command("tftpboot 0x40400000 no/such.file; echo status $?")
    assert "'file no/such.file not found' (1)" in missing, missing
    for window in windows:
        if window != "0":
            command("setenv tftpwindowsize " + window)
        text = command("tftpboot 0x40400000 big/file.bin; echo status $?", timeout=40)
        assert "Bytes transferred = %d " % len(data) in text, text
        rate = re.search(r"([\d.]+ .iB/s)", text)
        text = command("crc32 0x40400000 ${filesize}")
        assert "==> " + crc in text, text
        print(window, rate.group(1) if rate else "?")
except (AssertionError, pexpect.ExceptionPexpect) as error:
    print(error, file=sys.stderr)
    sys.exit(1)
finally:
    qemu.close(force=True)
