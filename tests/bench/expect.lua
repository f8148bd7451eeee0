-- SPDX-License-Identifier: Apache-2.0
--
-- Expect against a bare read loop, python3-pexpect and Tcl expect: the time to
-- find a prompt behind noise, its growth, memory, and the latency of a match. One
-- board (console_peer.c) serves all of them through the same pty, on one processor;
-- they take turns on the other.

local console = require("jflash.console")
local job = require("jflash.job")

local MB = 1000 * 1000
local PROMPT = "board=> "
local PINGS = 200

local here = arg[0]:match("^(.*)/[^/]*$") or "."

local function output(command)
    local pipe <close> = assert(io.popen(command))
    return (pipe:read("a"):gsub("%s+$", ""))
end

local program = output("readlink /proc/$PPID/exe")
local far_end = program:match("^(.*)/") .. "/tests/console_peer"

package.path = package.path .. ";./?.lua"
local bench = require("tests.support.bench")
local report, median = bench.report, bench.median
local near, far = bench.sides()

-- The board ends with the pipe that this returns.
local function start_board()
    local listing = os.tmpname()
    local pipe = assert(io.popen(("exec %s %s board >%s"):format(far, far_end, listing), "w"))
    local path
    for _ = 1, 1000 do
        local file <close> = assert(io.open(listing))
        path = file:read("l")
        if path then
            break
        end
        job.sleep(0.005)
    end
    os.remove(listing)
    return pipe, assert(path, "the board does not start")
end

local function numbers(format, ...)
    local found = {}
    for number in output(format:format(...)):gmatch("%S+") do
        found[#found + 1] = assert(tonumber(number))
    end
    return table.unpack(found)
end

local function drain_ours(path, bytes)
    local con <close> = assert(console.open(path))
    local start = job.now()
    assert(con:send(("n %d\n"):format(bytes)))
    assert(con:expect(PROMPT, { timeout_s = 120 }))
    return job.now() - start
end

local function drain_bare(path, bytes)
    return (numbers("%s drain %s %d", far_end, path, bytes))
end

local function drain_pexpect(path, mode, bytes)
    return numbers("/usr/bin/python3 %s/expect_pexpect.py %s %s %d", here, path, mode, bytes)
end

local function drain_tcl(path, bytes)
    return (numbers("expect %s/expect_tcl.tcl %s %d", here, path, bytes))
end

local function memory_kib(field)
    local file <close> = assert(io.open("/proc/self/status"))
    return tonumber(file:read("a"):match(field .. ":%s*(%d+)"))
end

-- Must come first: the peak is that of the whole process.
local function bench_memory(path)
    local before = memory_kib("VmRSS")
    drain_ours(path, 100 * MB)
    local ours = (memory_kib("VmHWM") - before) / 1024
    local seconds, grown_kib = drain_pexpect(path, "exact", 100 * MB)
    local theirs = grown_kib / 1024
    report({
        what = "expect memory growth, 100 MB",
        unit = "MiB",
        ours = ours,
        peer = "limit",
        theirs = 8,
        ratio = ours / 8,
        must = 1,
        aim = 1,
        better = "lower",
    })
    report({
        what = "expect memory growth, 100 MB",
        unit = "MiB",
        ours = ours,
        peer = "pexpect exact",
        theirs = theirs,
        ratio = ours / theirs,
        better = "lower",
    })
    return seconds
end

-- A pty has a fast and a slow mood, and changes it by the second. So ten times the
-- small amount, whose mean counts, and the large one take the same time, and each
-- sees as many of them.
local function drain_small_and_large(path)
    local small, large = 0, 0
    for i = 1, 10 do
        small = small + drain_ours(path, 10 * MB) / 10
        if i == 5 then
            large = drain_ours(path, 100 * MB)
        end
    end
    return small, large
end

local function bench_drain(path, exact_100)
    local ours, large, growth, bare, tcl, exact, default = {}, {}, {}, {}, {}, {}, {}
    for round = 1, 5 do
        ours[round], large[round] = drain_small_and_large(path)
        growth[round] = large[round] / ours[round]
        bare[round] = drain_bare(path, 10 * MB)
        tcl[round] = drain_tcl(path, 10 * MB)
        -- The slow ones would take minutes.
        if round <= 2 then
            exact[round] = drain_pexpect(path, "exact", 10 * MB)
        end
        if round == 1 then
            default[round] = drain_pexpect(path, "default", 10 * MB)
        end
    end
    local ten, hundred = median(ours), median(large)
    local function compare(what, mine, peer, theirs, must, aim, ratio)
        report({
            what = what,
            unit = "s",
            ours = mine,
            peer = peer,
            theirs = theirs,
            ratio = ratio or mine / theirs,
            must = must,
            aim = aim,
            better = "lower",
        })
    end
    compare("expect behind 10 MB", ten, "pexpect", median(default), 0.05, 0.015)
    compare("expect behind 10 MB", ten, "pexpect exact", median(exact))
    compare("expect behind 10 MB", ten, "Tcl expect", median(tcl))
    compare("expect behind 10 MB", ten, "bare read", median(bare))
    compare("expect behind 100 MB", hundred, "pexpect exact", exact_100)
    compare("expect growth, 10 to 100 MB", hundred, "ours, 10 MB", ten, 12, 10.5, median(growth))
end

local function latency_ours(path)
    local con <close> = assert(console.open(path))
    local times = {}
    for i = 1, PINGS do
        assert(con:send("p\n"))
        local match = assert(con:expect(PROMPT, { timeout_s = 20 }))
        times[i] = job.now() * 1e6 - tonumber(match.before:match("%d+")) / 1e3
    end
    return median(times)
end

-- Ours and the bare loop take turns closely: the machine's mood changes by the second.
local function bench_latency(path)
    local ours, bare, ratios = {}, {}, {}
    for round = 1, 25 do
        bare[round] = numbers("%s latency %s %d", far_end, path, PINGS)
        ours[round] = latency_ours(path)
        ratios[round] = ours[round] / bare[round]
    end
    report({
        what = "match latency p50",
        unit = "us",
        ours = median(ours),
        peer = "bare read",
        theirs = median(bare),
        ratio = median(ratios),
        must = 2.5,
        aim = 1.5,
        better = "lower",
    })
end

bench.pin(near)
local board <close>, path = start_board()
assert(board, "it plays until this closes")
local exact_100 = bench_memory(path)
bench_drain(path, exact_100)
bench_latency(path)
