#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flash the virtual board the way a lab engineer would script it with pexpect.

The baseline that jflash is measured against, and a proof of the bundle and the image that needs
no jflash: QEMU, dnsmasq for TFTP, a python HTTP server, `wget | xzcat | dd` on the board, and a
read-back past the page cache. Prints one line of JSON. TFTP wants port 69, so run it as root, or
with --tftp-address where that port is allowed.

    tests/bench/flash_pexpect.py --bundle DIR --image demo.raw.xz --raw-bytes 536870912 --disk disk.raw
"""

import argparse
import functools
import http.server
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pexpect
import pexpect.fdpexpect
import yaml

UBOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
UBOOT_PROMPT = "=> "
SHELL_PROMPT = "JF-PROMPT> "
MIB = 1 << 20
DECODERS = {".xz": "xzcat", ".gz": "zcat", ".bz2": "bzcat"}


class Flash:
    def __init__(self, args, workdir):
        self.args = args
        self.workdir = workdir
        self.processes = []
        self.times = {}
        self.bundle = os.path.realpath(args.bundle)
        with open(os.path.join(self.bundle, "manifest.yaml"), encoding="utf-8") as file:
            self.spec = yaml.safe_load(file)["spec"]

    def step(self, name):
        return Step(self.times, name)

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    # servers

    def start_tftp(self):
        command = [shutil.which("dnsmasq", path=os.environ["PATH"] + ":/usr/sbin") or "dnsmasq"]
        command += ["--no-daemon", "--conf-file=/dev/null", "--port=0", "--bind-interfaces"]
        command += ["--user=" + pwd.getpwuid(os.getuid()).pw_name, "--listen-address=" + self.args.tftp_address]
        command += ["--enable-tftp", "--tftp-root=" + self.bundle]
        with open(os.path.join(self.workdir, "dnsmasq.log"), "wb") as log:
            self.tftp = subprocess.Popen(command, stdout=log, stderr=log)
        self.processes.append(self.tftp)

    def start_http(self):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        image = os.path.realpath(self.args.image)
        handler = functools.partial(Handler, directory=os.path.dirname(image))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return "http://10.0.2.2:%d/%s" % (server.server_port, os.path.basename(image))

    # the board

    def start_qemu(self):
        path = functools.partial(os.path.join, self.workdir)
        drives = []
        for number, (file, device) in enumerate(
            [(self.args.disk, ["virtio-blk-device,drive=d0"]), (self.args.card, ["sdhci-pci", "sd-card,drive=d1"])]
        ):
            if file:
                drives += ["-drive", "if=none,id=d%d,file=%s,format=raw,cache=writeback" % (number, file)]
                for name in device:
                    drives += ["-device", name]
        command = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "1", "-m", "1024"]
        command += ["-nodefaults", "-display", "none", "-monitor", "none", "-bios", UBOOT]
        command += ["-qmp", "unix:%s,server=on,wait=off" % path("qmp"), "-S"]
        command += ["-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0"] + drives
        command += ["-chardev", "socket,id=s0,path=%s,server=on,wait=off" % path("serial")]
        command += ["-serial", "chardev:s0"]
        self.qemu = subprocess.Popen(command)
        self.processes.append(self.qemu)
        self.serial = self.connect(path("serial"))
        self.console = pexpect.fdpexpect.fdspawn(self.serial.fileno(), timeout=60)
        self.console.delaybeforesend = None
        if self.args.console_log:
            self.console.logfile_read = open(self.args.console_log, "ab")
        qmp = self.connect(path("qmp")).makefile("rw")
        for command in ("qmp_capabilities", "cont"):
            qmp.readline()
            qmp.write(json.dumps({"execute": command}) + "\n")
            qmp.flush()
        self.qmp = qmp

    def connect(self, path):
        deadline = time.monotonic() + 10
        while True:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(path)
                return sock
            except OSError:
                sock.close()
                if self.qemu.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def uboot(self, command, timeout=60):
        self.console.send(command + "\n")
        self.console.expect_exact(UBOOT_PROMPT, timeout=timeout)
        return self.console.before

    def shell(self, command, timeout=60):
        """Run a command in the flasher; its output. A status other than 0 is an error."""
        self.console.send(command + "; echo status=$?\n")
        self.console.expect(r"status=(\d+)\r\n", timeout=timeout)
        output, status = self.console.before.decode(errors="replace"), int(self.console.match[1])
        self.console.expect_exact(SHELL_PROMPT, timeout=timeout)
        if status != 0:
            raise RuntimeError("status %d: %s\n%s" % (status, command, output))
        return output

    # the steps

    def load(self, entry, variable, file=None):
        name = file or entry["file"]
        if self.tftp.poll() is not None:
            with open(os.path.join(self.workdir, "dnsmasq.log"), encoding="utf-8") as log:
                raise RuntimeError("no TFTP server: " + log.read().strip())
        output = self.uboot("tftpboot %s %s" % (entry["address"], name), timeout=120)
        match = re.search(rb"Bytes transferred = (\d+)", output)
        if not match:
            raise RuntimeError("tftpboot %s: %s" % (name, output.decode(errors="replace")))
        size = int(match[1])
        if size != os.path.getsize(os.path.join(self.bundle, name)):
            raise RuntimeError("tftpboot %s: %d bytes" % (name, size))
        self.uboot("setenv %s_size %x" % (variable, size))
        return size

    def flash(self):
        spec, args = self.spec, self.args
        target = spec["targets"][args.target or spec["default_target"]]
        decoder = DECODERS.get(os.path.splitext(args.image)[1], "cat")
        url = self.start_http()
        self.start_tftp()
        with self.step("prompt"):
            self.start_qemu()
            self.console.expect_exact("Hit any key to stop autoboot")
            self.console.send(" ")
            self.console.expect_exact(UBOOT_PROMPT)
        with self.step("network"):
            self.uboot("setenv autoload no")
            if b"DHCP client bound" not in self.uboot("dhcp"):
                raise RuntimeError("dhcp failed")
            self.uboot("setenv serverip " + args.tftp_address)
        with self.step("load"):
            self.load(spec["kernel"], "kernel")
            self.load(spec["initram"], "initram")
            variant = spec["dtb"]["variants"][args.variant or spec["dtb"]["default"]]
            if "file" in variant:
                self.load(spec["dtb"], "dtb", variant["file"])
        with self.step("boot"):
            self.console.send(variant.get("bootcmd", spec["bootcmd"]) + "\n")
            self.console.expect_exact(spec["login"]["login_prompt"], timeout=120)
        with self.step("login"):
            self.console.send((args.username or spec["login"]["username"]) + "\n")
            if args.password:
                self.console.expect_exact("Password:")
                self.console.send(args.password + "\n")
            self.console.expect_exact("# ")
            # The quotes keep the echo from looking like the prompt.
            self.console.send("stty -echo cols 4000; PS1='%s''%s'\n" % (SHELL_PROMPT[:4], SHELL_PROMPT[4:]))
            self.console.expect_exact(SHELL_PROMPT)
            self.shell("set -o pipefail")
            for command in spec["preflash_commands"]:
                self.shell(command)
            self.shell("udhcpc -q -i eth0")
            self.shell("test -b " + target)
        with self.step("write"):
            # conv=fsync too: the direct writes may still sit in the device's cache.
            self.shell(
                "wget -qO- %s | %s | dd of=%s bs=4M iflag=fullblock oflag=direct conv=fsync"
                % (url, decoder, target),
                timeout=1800,
            )
            self.shell("sync", timeout=300)
        with self.step("verify"):
            output = self.shell(
                "echo 3 > /proc/sys/vm/drop_caches; "
                "dd if=%s bs=4M iflag=fullblock,count_bytes count=%d 2>/dev/null | sha256sum"
                % (target, args.raw_bytes),
                timeout=1800,
            )
            digest = re.search(r"\b[0-9a-f]{64}\b", output)[0]
        with self.step("power_off"):
            self.qemu.kill()
            self.qemu.wait()
        return digest

    def boot(self, prompt):
        """Start again from the flashed disk with U-Boot's own boot command."""
        with self.step("boot_flashed"):
            self.start_qemu()
            self.console.expect_exact(prompt, timeout=180)
        self.qemu.kill()
        self.qemu.wait()


class Step:
    def __init__(self, times, name):
        self.times, self.name = times, name

    def __enter__(self):
        self.start = time.monotonic()

    def __exit__(self, kind, *_):
        if kind is None:
            self.times[self.name] = round(time.monotonic() - self.start, 3)


def drive(file, size, power_of_two):
    """A drive's file, made sparse where there is none; an SD card's size is a power of two."""
    if not os.path.exists(file):
        with open(file, "wb") as new:
            new.truncate(size)
    size = os.path.getsize(file)
    if power_of_two and size & (size - 1):
        sys.exit("%s: the size of an SD card's file must be a power of two" % file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", required=True, metavar="DIR", help="with manifest.yaml and data/")
    parser.add_argument("--image", required=True, metavar="F", help="raw, or its .xz, .gz or .bz2")
    parser.add_argument("--raw-bytes", required=True, type=int, metavar="N", help="size of the raw image")
    parser.add_argument("--disk", required=True, metavar="D", help="virtio drive; made when missing (1 GiB)")
    parser.add_argument("--card", metavar="C", help="SD card; made when missing (1 GiB)")
    parser.add_argument("--target", help="a name from the manifest; default: its default_target")
    parser.add_argument("--variant", help="a dtb variant; default: the manifest's")
    parser.add_argument("--username", help="default: the manifest's")
    parser.add_argument("--password", help="default: none is asked for")
    parser.add_argument("--sha256", metavar="HEX", help="fail unless the read-back digest is this")
    parser.add_argument("--tftp-address", metavar="A", help="loopback address for TFTP; default: a random one")
    parser.add_argument("--boot-prompt", metavar="TEXT", help="then boot the disk and wait for this text")
    parser.add_argument("--console-log", metavar="F", help="append what the console said to F")
    args = parser.parse_args()
    if not args.tftp_address:
        args.tftp_address = "127.%d.%d.%d" % tuple(random.randrange(1, 255) for _ in range(3))
    drive(args.disk, 1024 * MIB, False)
    if args.card:
        drive(args.card, 1024 * MIB, True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="flash-pexpect-") as workdir:
        flash = Flash(args, workdir)
        try:
            start = time.monotonic()
            digest = flash.flash()
            total = round(time.monotonic() - start, 3)
            if args.boot_prompt:
                flash.boot(args.boot_prompt)
        except (OSError, RuntimeError, pexpect.ExceptionPexpect) as error:
            print(json.dumps({"ok": False, "error": str(error), "steps": flash.times}))
            return 1
        finally:
            flash.close()
    ok = not args.sha256 or digest == args.sha256.lower()
    print(json.dumps({"ok": ok, "sha256": digest, "total": total, "steps": flash.times}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
