-- SPDX-License-Identifier: Apache-2.0
--
-- The whole job on the virtual board, a 300 MiB image onto the virtio disk, beside
-- the same steps by a plain pexpect script (flash_pexpect.py); and what jflash
-- itself takes of memory meanwhile.
local job = require("jflash.job")
local json = require("jflash.json")
local sys = require("jflash.sys")
package.path = package.path .. ";./?.lua"
local virtual = require("tests.support.virtual")

local BYTES = 300 << 20
local MEMORY_MIB = 48

local function shell(command, timeout_s)
    local result = assert(sys.run({ "sh", "-c", command }, { timeout_s = timeout_s or 300 }))
    assert(result.status == 0, command .. ": " .. result.stderr)
    return result
end

local function make_image(dir)
    local source = "build/demo/image.raw"
    if not sys.stat(source) then
        shell("bundles/qemu-arm64/make-image.sh " .. source)
    end
    local raw, path = dir .. "/image.raw", dir .. "/image.raw.xz"
    shell(("head -c %d '%s' >'%s' && xz -1 -T0 -k '%s'"):format(BYTES, source, raw, raw))
    return path
end

local function flash_by_jflash(bench, path)
    local argv = { "/usr/bin/time", "-f", "peak %M", sys.process_exe(sys.pid()), "flash", path }
    table.move(bench:board_options(), 1, #bench:board_options(), #argv + 1, argv)
    local started = job.now()
    local result = assert(sys.run(argv, { timeout_s = 900, env = { HOME = bench.dir } }))
    assert(result.status == 0, result.stderr)
    return job.now() - started, tonumber(result.stderr:match("peak (%d+)")) / 1024
end

local function flash_by_pexpect(bench, path)
    local disk = bench.dir .. "/pexpect.img"
    assert(sys.make_sparse(disk, 1 << 30))
    local started = job.now()
    local result = assert(sys.run({ "/usr/bin/python3", "tests/bench/flash_pexpect.py", "--bundle",
        virtual.bundle("qemu-arm64"), "--image", path, "--raw-bytes", tostring(BYTES), "--disk", disk },
        { timeout_s = 900 }))
    assert(result.status == 0, result.stdout .. result.stderr)
    return job.now() - started
end

local function row(fields)
    sys.write(1, json.encode(fields) .. "\n")
end

local bench <close> = virtual.bench()
local path = make_image(bench.dir)
local ours, memory = flash_by_jflash(bench, path)
local theirs = flash_by_pexpect(bench, path)
row({ what = "whole flash, 300 MiB, virtio", unit = "s", ours = ours, peer = "pexpect script",
    theirs = theirs, ratio = ours / theirs, must = 1.0, aim = 0.95, better = "lower" })
row({ what = "memory during it", unit = "MiB", ours = memory, peer = "limit", theirs = MEMORY_MIB,
    ratio = memory / MEMORY_MIB, must = 1.0, aim = 0.6, better = "lower" })
