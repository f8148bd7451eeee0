# SPDX-License-Identifier: Apache-2.0
#
# pexpect's side of the console benchmark: asks the board behind a pty for noise
# and waits for its prompt. Prints the seconds, and by how many KiB the process
# grew.
#
#   expect_pexpect.py PATH default|exact BYTES

import os
import resource
import sys
import time

import pexpect.fdpexpect


def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(path, mode, size):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    child = pexpect.fdpexpect.fdspawn(fd, timeout=300)
    wait = child.expect_exact if mode == "exact" else child.expect
    before_kib = peak_kib()
    start = time.monotonic()
    os.write(fd, b"n %d\n" % size)
    wait("board=> ")
    print("%.6f %d" % (time.monotonic() - start, peak_kib() - before_kib))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
