-- SPDX-License-Identifier: Apache-2.0
--
-- The flasher's network with faults: its connections go through here when a
-- fault "connection" is set, and end, stall or change after so many bytes.
local wire = require("wire")

local M = {}

-- For what the shell's udhcpc says.
local function mark(path, present)
    if present then
        assert(io.open(path, "w")):close()
    else
        os.remove(path)
    end
end

local function open(machine)
    local listener, port = wire.listen_tcp()
    machine.relay = { listener = listener, port = port, expected = {}, pairs = {} }
    machine.loop:on_read(listener, function() M.accept(machine) end)
end

--- Tells the fake kernel where connections go: when a shell starts, and when a
--- fault was set or cleared.
function M.apply(machine, starting)
    if starting or #machine.faults:of_kind("no_network") == 0 then
        machine.has_network = not machine.faults:fire("no_network", "shell")
        mark(machine.dir .. "/root/etc/sim-no-network", not machine.has_network)
    end
    local link = machine.options.needs_udhcpc and machine.dir .. "/root/etc/sim-link" or nil
    local relayed = #machine.faults:of_kind("connection") > 0
    if relayed and not machine.relay then
        open(machine)
    end
    machine.kernel:network(machine.has_network, relayed and machine.relay.port or nil, link)
end

--- The next connection is meant for this host and port.
function M.expect(machine, address)
    table.insert(machine.relay.expected, address)
end

local function end_pair(machine, pair)
    if machine.relay and machine.relay.pairs[pair] then
        machine.relay.pairs[pair] = nil
        machine.loop:close(pair.near)
        machine.loop:close(pair.far)
    end
end

-- Sends on what came; a side that takes no more is not read until it does.
local function forward(machine, pair, from, to, bytes)
    local sent = wire.write(to, bytes)
    if not sent then
        return end_pair(machine, pair)
    end
    local rest = bytes:sub(sent + 1)
    if rest == "" then
        machine.loop:on_write(to, nil)
        machine.loop:on_read(from, pair.readers[from])
        return
    end
    machine.loop:on_read(from, nil)
    machine.loop:on_write(to, function() forward(machine, pair, from, to, rest) end)
end

-- What the fault makes of bytes from the side that it is about; nil ends the
-- connection.
local function damage(machine, pair, from, bytes)
    local fault = pair.fault
    local before = pair.passed[from]
    pair.passed[from] = before + #bytes
    local limit = fault and from == (fault.upload and pair.near or pair.far) and fault.after_bytes
    if not limit or pair.passed[from] <= limit then
        return bytes
    end
    local part = bytes:sub(1, math.max(0, limit - before))
    if fault.action == "stall" then
        machine.loop:on_read(from, nil)
        pair.readers[from] = nil
    elseif fault.action == "corrupt" then
        pair.fault = nil
        part = part .. string.char(bytes:byte(#part + 1) ~ 1) .. bytes:sub(#part + 2)
    else
        pair.ends = true
    end
    return part
end

-- Which fault this connection has: the request's first line tells what it is for.
local function choose_fault(machine, pair, bytes)
    pair.asked = true
    local fault = machine.faults:fire("connection", "connect", bytes:match("^[^\r\n]*"))
    pair.fault = fault
    pair.ends = fault ~= nil and fault.action == "refuse"
end

local function reader(machine, pair, from, to)
    return function()
        local bytes = wire.read(from, 65536)
        if not bytes then
            return end_pair(machine, pair)
        end
        if from == pair.near and not pair.asked and bytes ~= "" then
            choose_fault(machine, pair, bytes)
        end
        bytes = damage(machine, pair, from, bytes)
        if bytes ~= "" and not (pair.ends and from == pair.near) then
            forward(machine, pair, from, to, bytes)
        end
        if pair.ends then
            end_pair(machine, pair)
        end
    end
end

function M.accept(machine)
    local near = wire.accept(machine.relay.listener)
    local address = table.remove(machine.relay.expected, 1)
    if not near then
        return
    end
    local far = wire.connect_tcp(address.host, address.port)
    if not far then
        wire.close(near)
        return
    end
    local pair = { near = near, far = far, passed = { [near] = 0, [far] = 0 } }
    pair.readers = { [near] = reader(machine, pair, near, far), [far] = reader(machine, pair, far, near) }
    machine.relay.pairs[pair] = true
    machine.loop:on_read(near, pair.readers[near])
    machine.loop:on_read(far, pair.readers[far])
end

function M.close(machine)
    if not machine.relay then
        return
    end
    for pair in pairs(machine.relay.pairs) do
        end_pair(machine, pair)
    end
    machine.loop:close(machine.relay.listener)
    machine.relay = nil
end

return M
