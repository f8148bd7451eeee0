-- SPDX-License-Identifier: Apache-2.0
--
-- How an image reaches the board: the command there that prints its bytes, and what
-- this side can tell of them. It lasts until it is closed.

local M = {}

---@class jflash.Delivery
---@field command string  prints the bytes on the board
---@field is_unseen boolean|nil  they do not come through this host: the board hashes them
local Delivery = {}
Delivery.__index = Delivery

--- Offers a content on the run's HTTP server.
---@param dut jflash.Dut with a shell
---@param key string
---@param content table   see dut.http:offer
---@param stream table|nil  closed with the delivery
---@param watch fun(settle: boolean)|nil  see Delivery:check
---@return jflash.Delivery to be closed: `local delivery <close> = …`
function M.offer(dut, key, content, stream, watch)
    local offered = dut.http:offer(key, content)
    return setmetatable({
        http = dut.http,
        name = offered.name,
        url = offered.url,
        command = dut.shell:fetch(offered.url),
        stream = stream,
        watch = watch,
    }, Delivery)
end

--- Raises what went wrong on this side with what is delivered: its own source, its
--- data. With `settle` something went wrong on the board already, and this side may
--- find its cause in a moment.
---@param settle boolean|nil
function Delivery:check(settle)
    if self.watch then
        self.watch(settle or false)
    end
end

--- How many bytes went out so far; nil when that cannot be told. Raises as `check`.
---@return integer|nil
function Delivery:bytes()
    self:check()
    local transfer = self.http:progress(self.name)
    return transfer and transfer.bytes
end

--- What arrived here, for an error about a transfer that failed.
---@return string
function Delivery:arrival()
    return self.http:arrival(self.name)
end

--- Raises that the board's download failed.
---@param dut jflash.Dut
---@param status integer|nil  of its command
---@param words string        what that said
function Delivery:raise_failed(dut, status, words)
    dut.console:fail({
        code = "network", at = "shell",
        message = ("write: the board's download failed (status %s): %s; %s"):format(
            status, words, self:arrival()),
    })
end

function Delivery:__close()
    self.http:withdraw(self.name)
    if self.stream then
        self.stream:close()
    end
end

return M
