-- SPDX-License-Identifier: Apache-2.0
--
-- Reads back what was written, on the board and past its page cache.

local dd = require("jflash.write.dd")
local workers = require("jflash.write.worker")

local M = {}

local SCRIPT = [[
sync
blockdev --flushbufs %s 2>/dev/null
{ %s; echo $? >read.status; } | sha256sum >digest
]]

-- Why nothing that is read could be believed; nil when it can.
local function why_not(shell, bytes, flags)
    local dropped = shell:test("sync; echo 3 >/proc/sys/vm/drop_caches")
    local _, rest = dd.split(bytes)
    if not flags.count_bytes then
        return "the board's dd cannot read a number of bytes"
    elseif not dropped and not (flags.direct and rest == 0) then
        return "the board's page cache cannot be dropped"
    end
    return nil
end

--- The SHA-256 of a device's first bytes.
---@param dut jflash.Dut
---@param device string
---@param bytes integer
---@return {digest: string|nil, elapsed_s: number, why_not: string|nil}
function M.digest(dut, device, bytes)
    local flags = dd.flags(dut.shell, device)
    local reason = why_not(dut.shell, bytes, flags)
    if reason then
        return { why_not = reason }
    end
    local worker <close> = workers.start(dut,
        SCRIPT:format(device, dd.read_commands(device, bytes, flags)), {
            what = "read back", total_bytes = bytes, stall_s = dut.board.timeouts.verify_stall_s,
            descriptor = 0,
        })
    worker:wait()
    local status, words = worker:status("read"), worker:result("dd.err")
    if status ~= 0 or words:find("rror") then
        dut.console:fail({ code = "io", retry = 0, at = "shell",
            message = "verify: reading back failed: " .. words })
    end
    return { digest = worker:result("digest"):match("^%x+"), elapsed_s = worker.elapsed_s }
end

return M
