-- SPDX-License-Identifier: Apache-2.0
--
-- What the benches share: rows for tests/bench/table.lua, the median, and who runs
-- on which processor.
local json = require("jflash.json")

local M = {}

--- Prints a row, as JSON on one line.
---@param row table what, unit, ours, peer, theirs, ratio, must, aim, better; or what, skipped
function M.report(row)
    print(json.encode(row))
    io.stdout:flush()
end

---@param values number[] sorted by this
---@return number
function M.median(values)
    table.sort(values)
    return values[(#values + 1) // 2]
end

--- The prefixes of a command line that keep it to one processor, for the two sides
--- of a measurement; empty where there is only one processor. Two sides that wake
--- each other share a processor or not as the scheduler pleases, and waking an idle
--- one costs more than all that is measured, above all in a virtual machine: left
--- alone, the same program differs from itself by a factor of two.
---@return string near for what is measured
---@return string far for its other side
function M.sides()
    local cores = {}
    local file <close> = assert(io.open("/proc/self/status"))
    local allowed = file:read("a"):match("Cpus_allowed_list:%s*(%S+)")
    for first, last in allowed:gmatch("(%d+)%-?(%d*)") do
        for core = tonumber(first), tonumber(last) or tonumber(first) do
            cores[#cores + 1] = "taskset -c " .. core
        end
    end
    return cores[2] and cores[1] or "", cores[2] or ""
end

--- Keeps this program, and what it starts from now on, to a side's processor.
---@param side string as given by M.sides
function M.pin(side)
    local core = side:match("%d+")
    assert(not core or os.execute("taskset -acp " .. core .. " $PPID >/dev/null"))
end

return M
