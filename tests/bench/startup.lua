-- SPDX-License-Identifier: Apache-2.0
--
-- How long a person waits before the program does anything, and what it takes of
-- memory: against Python with the libraries that such a script imports, and
-- against labgrid's client.
local job = require("jflash.job")
local json = require("jflash.json")
local sys = require("jflash.sys")

local ROUNDS = 21

local function row(fields)
    sys.write(1, json.encode(fields) .. "\n")
end

local ours = { sys.process_exe(sys.pid()), "--version" }
local peers = {
    { name = "python3 pexpect requests yaml", must = 0.1, aim = 0.08, memory_must = 0.4, memory_aim = 0.3,
        argv = { "/usr/bin/python3", "-c", "import pexpect, requests, yaml" } },
    { name = "labgrid-client --help",
        argv = { "/usr/bin/python3", "-m", "labgrid.remote.client", "--help" } },
}

local function elapsed_s(argv)
    local started = job.now()
    local result = assert(sys.run(argv, { timeout_s = 60 }))
    assert(result.status == 0, result.stderr)
    return job.now() - started
end

-- Peak resident size, by GNU time.
local function peak_kib(argv)
    local wrapped = table.move(argv, 1, #argv, 4, { "/usr/bin/time", "-f", "%M" })
    local result = assert(sys.run(wrapped, { timeout_s = 60 }))
    return tonumber(result.stderr:match("(%d+)%s*$"))
end

local function median(values)
    table.sort(values)
    return values[#values // 2 + 1]
end

for _, peer in ipairs(peers) do
    local mine, theirs = {}, {}
    for round = 1, ROUNDS do
        mine[round] = elapsed_s(ours) * 1000
        theirs[round] = elapsed_s(peer.argv) * 1000
    end
    local a, b = median(mine), median(theirs)
    row({ what = "start-up", unit = "ms", ours = a, peer = peer.name, theirs = b, ratio = a / b,
        must = peer.must, aim = peer.aim, better = "lower" })
    a, b = peak_kib(ours) / 1024, peak_kib(peer.argv) / 1024
    row({ what = "start-up memory", unit = "MiB", ours = a, peer = peer.name, theirs = b, ratio = a / b,
        must = peer.memory_must, aim = peer.memory_aim, better = "lower" })
end
