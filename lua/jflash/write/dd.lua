-- SPDX-License-Identifier: Apache-2.0
--
-- The board's dd: what it can do, the commands that write and read with it, and
-- what its complaints mean.
--
-- dd's status alone tells of an I/O error only when the data has reached the
-- device (oflag=direct, or conv=fsync); sync's status does not tell it at all.

local M = {}

local BLOCK = 4 * 1024 * 1024

--- Finds out by reading whether the board's dd knows fullblock and direct.
---@param shell jflash.Shell
---@param device string
---@return {direct: boolean, count_bytes: boolean}
function M.flags(shell, device)
    return {
        direct = shell:test(("dd if=%s of=/dev/null bs=4096 count=1 iflag=fullblock,direct 2>/dev/null")
            :format(device)),
        count_bytes = shell:test("dd if=/dev/zero of=/dev/null bs=4096 count=1 "
            .. "iflag=fullblock,count_bytes 2>/dev/null"),
    }
end

--- How many whole blocks, and how many bytes behind them, `bytes` are.
---@param bytes integer
---@return integer blocks
---@return integer rest
function M.split(bytes)
    return bytes // BLOCK, bytes % BLOCK
end

-- A dd whose process number stands in "position", so that its offset can be read.
local function watched(arguments)
    return ("sh -c 'echo $$ >position; exec dd %s 2>>dd.err'"):format(arguments)
end

--- Commands that write their input to a device. Direct writes for whole blocks;
--- the rest goes through the page cache and is synchronised by itself, since direct
--- writes come in whole sectors and nothing may be written behind the image's end.
--- So does all of it where its size is not known beforehand.
---@param device string
---@param bytes integer|nil  how many come
---@param flags table        see flags
---@return string
function M.write_commands(device, bytes, flags)
    if not (flags.direct and bytes) then
        return watched(("of=%s bs=64k conv=fsync"):format(device))
    end
    local blocks, rest = M.split(bytes)
    local commands = {}
    if blocks > 0 then
        table.insert(commands, watched(("of=%s bs=%d count=%d iflag=fullblock oflag=direct"):format(
            device, BLOCK, blocks)))
    end
    if rest > 0 or blocks == 0 then
        table.insert(commands, ("dd of=%s bs=%d seek=%d iflag=fullblock conv=fsync 2>>dd.err"):format(
            device, BLOCK, blocks))
    end
    return table.concat(commands, " && ")
end

--- Commands that print the first `bytes` bytes of a device.
---@param device string
---@param bytes integer
---@param flags table see flags
---@return string
function M.read_commands(device, bytes, flags)
    local blocks, rest = M.split(bytes)
    local commands = {}
    local direct = flags.direct and " iflag=fullblock,direct" or " iflag=fullblock"
    if blocks > 0 then
        table.insert(commands, watched(("if=%s bs=%d count=%d%s"):format(device, BLOCK, blocks, direct)))
    end
    if rest > 0 then
        table.insert(commands, ("dd if=%s bs=%d skip=%d count=%d iflag=fullblock,count_bytes 2>>dd.err")
            :format(device, BLOCK, blocks, rest))
    end
    return table.concat(commands, " && ")
end

-- What is wrong with the storage stays wrong: never retried.
local FAULTS = {
    { text = "No space left on device", class = "image", meaning = "the image does not fit the device" },
    { text = "Input/output error", meaning = "the device reports an I/O error" },
    { text = "I/O error", meaning = "the device reports an I/O error" },
    { text = "Read-only file system", meaning = "the device is read-only" },
    { text = "Operation not permitted", meaning = "the device refuses writes" },
    { text = "No such", meaning = "the device has gone" },
}

--- Raises what the complaints of dd, or of another tool that writes, mean.
---@param dut jflash.Dut
---@param words string  what it said
---@param other {tool: string, text: string}|nil  text: before words that mean nothing known
function M.raise_fault(dut, words, other)
    other = other or { tool = "dd", text = "write: dd failed: " }
    for _, fault in ipairs(FAULTS) do
        if words:find(fault.text, 1, true) then
            dut.console:fail({
                class = fault.class or "board", code = "io", retry = 0, at = "shell",
                message = ("write: %s: %s said: %s"):format(fault.meaning, other.tool, words),
                hint = "a worn-out or write-protected medium? try another one",
            })
        end
    end
    dut.console:fail({ code = "io", at = "shell", message = other.text .. words })
end

return M
