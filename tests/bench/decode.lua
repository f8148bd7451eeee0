-- SPDX-License-Identifier: Apache-2.0
--
-- Decoding: jflash against the tools whose formats it reads, each in a process
-- of its own that writes to /dev/null (jflash: to nowhere). One JSON object a
-- line. The data are programs and texts of this machine. The comparison that is
-- held to a goal is decoding alone, which is what the tools do; rows that say
-- "with SHA-256" compute the digest of the input and of the output too.
local root = arg[0]:match("^(.*)/tests/[^/]*/[^/]*$") or "."
package.path = package.path .. ";" .. root .. "/?.lua"

local job = require("jflash.job")
local bench = require("tests.support.bench")
local scratch = require("tests.support.scratch")
local median = bench.median

local MIB = 1 << 20
local SAMPLE_MIB = 64
local COPIES = { gz = 2, zst = 6, lz4 = 8 }

local dir <close> = scratch.new()
local child = dir:write("prove.lua", [[
    local image = require("jflash.image")
    local img <close> = assert(image.open({ file = arg[1], threads = tonumber(arg[2]) }))
    assert(img:prove({ digest = arg[3] == "digest" }))
    assert(img:wait())
]])

local function ours(name, threads, digest)
    return ("'%s' run '%s' %s %d %s"):format(scratch.jflash(), child, name, threads, digest or "")
end

-- One run: seconds and peak memory.
local function run(command)
    local before = job.now()
    dir:sh(("/usr/bin/time -q -f %%M -o peak sh -c '%s > /dev/null'")
        :format((command:gsub("'", "'\\''"))))
    return job.now() - before, tonumber(dir:read("peak")) * 1024 / MIB
end

-- Runs both in turn, several times; the least seconds, to which what else the
-- machine does can only add, and the median of peak memory.
local function race(a, b, rounds)
    local results = { { {}, {} }, { {}, {} } }
    for round = 1, rounds do
        for step = 0, 1 do
            local who = (round + step) % 2 + 1
            local seconds, peak = run(who == 1 and a or b)
            table.insert(results[who][1], seconds)
            table.insert(results[who][2], peak)
        end
    end
    return math.min(table.unpack(results[1][1])), math.min(table.unpack(results[2][1])),
        median(results[1][2])
end

local function report(row)
    row.ratio = row.ours / row.theirs
    bench.report(row)
end

-- A race for speed over `mib` of decoded data. `memory_mib` is a limit for ours.
local function compare(what, own, peer, options)
    local t_own, t_peer, peak = race(own, peer.command, options.rounds)
    report({ what = what, unit = "MB/s", ours = options.mib * MIB / 1e6 / t_own,
        theirs = options.mib * MIB / 1e6 / t_peer, peer = peer.name, must = options.must,
        aim = options.aim, better = "higher" })
    if options.memory_mib then
        report({ what = "peak memory: " .. what, unit = "MiB", ours = peak,
            theirs = options.memory_mib, peer = "the limit", must = 1.0, better = "lower" })
    end
end

local function tool(command)
    return { command = command, name = command:gsub(" %-q?dc.*", ""):gsub(" %S+%.xz$", "") }
end

local function prepare()
    -- A disk image begins with something else than its files.
    dir:sh(("{ head -c 4096 /dev/zero; tar -cf - -C /usr bin lib share/doc include; } | "
        .. "head -c %dM > sample"):format(SAMPLE_MIB))
    -- The dictionary of xz's default level; a low level to be done soon.
    dir:sh("xz -T1 -c --lzma2=preset=0,dict=8MiB sample > one.xz")
    dir:sh("xz -T2 -c --block-size=8MiB --lzma2=preset=0,dict=8MiB sample > blocks.xz")
    -- Long enough that starting a process does not count.
    for name, packer in pairs({ gz = "gzip -6", zst = "zstd -q", lz4 = "lz4 -q" }) do
        local copies = ("part "):rep(COPIES[name])
        dir:sh(("%s -c < sample > part && cat %s > sample.%s"):format(packer, copies, name))
    end
end

-- Files are named relative to the scratch folder: commands run there.
local function bench_xz()
    local slow = { mib = SAMPLE_MIB, rounds = 3 }
    local function with(extra)
        return setmetatable(extra, { __index = slow })
    end
    compare("xz, one block, one thread", ours("one.xz", 1), tool("xz -T1 -dc one.xz"),
        with({ must = 0.97, aim = 1.0, memory_mib = 48 }))
    compare("xz, blocks of 8 MiB, two threads", ours("blocks.xz", 2),
        tool("xz -T1 -dc blocks.xz"), with({ must = 1.6, aim = 1.9, memory_mib = 100 }))
    compare("xz, blocks of 8 MiB, two threads", ours("blocks.xz", 2),
        tool("xz -T2 -dc blocks.xz"), slow)
    compare("xz, one block, with SHA-256", ours("one.xz", 2, "digest"),
        tool("busybox xzcat one.xz"), slow)
end

local function bench_fast()
    local rows = {
        { suffix = "gz", name = "gzip", command = "gzip -dc", must = 1.4, aim = 1.65 },
        { suffix = "zst", name = "zstd", command = "zstd -qdc", must = 0.97, aim = 1.0 },
        { suffix = "lz4", name = "lz4", command = "lz4 -qdc", must = 0.97, aim = 1.0 },
    }
    for _, row in ipairs(rows) do
        local file = "sample." .. row.suffix
        local mib = COPIES[row.suffix] * SAMPLE_MIB
        compare(row.name, ours(file, 2), { command = row.command .. " " .. file, name = row.name },
            { mib = mib, rounds = 7, must = row.must, aim = row.aim })
        compare(row.name .. ", with SHA-256", ours(file, 2, "digest"),
            { command = ("%s %s | openssl dgst -sha256 -r"):format(row.command, file),
              name = row.command .. " | openssl dgst (output only)" }, { mib = mib, rounds = 3 })
    end
end

prepare()
bench_xz()
bench_fast()
