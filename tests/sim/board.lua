-- SPDX-License-Identifier: Apache-2.0
--
-- The scripted board: a fake of hardware at the wire. It plays a serial console,
-- a power switch, U-Boot and a busybox flasher; see README.md. Started by
-- init.lua as `sim-board board.lua OPTIONS`, it prints its folder on stdout
-- when it is ready, and ends with its starter.
local wire = require("wire")

local here = arg[0]:match("^(.*/)") or "./"
package.path = here .. "board/?.lua"

local Console = require("console")
local Faults = require("faults")
local Linux = require("linux")
local Loop = require("loop")
local Machine = require("machine")
local UBoot = require("uboot")
local bundle = require("bundle")
local literal = require("literal")
local options_of = require("options")
local rootfs = require("rootfs")

local STDOUT = 1

-- Before it is ready its starter reads what went wrong where the folder would be.
local function refuse(message)
    io.stdout:write("error: ", (tostring(message):gsub("\n.*", "")), "\n")
    os.exit(1)
end

local good, options = pcall(options_of.complete, literal.value(arg[1] or "{}"))
if not good then
    refuse(options)
end

local start = wire.now()
local dir = wire.temp_dir()
local loop = Loop.new()
local running = true
local ready = false

local log_file = assert(io.open(dir .. "/log", "w"))
log_file:setvbuf("line")

local function log(kind, entry)
    entry.kind = kind
    entry.time_s = wire.now() - start
    log_file:write(literal.of(entry), "\n")
end

local function write_state(machine)
    local file = assert(io.open(dir .. "/state.new", "w"))
    file:write(machine.powered and "on\n" or "off\n")
    file:close()
    os.rename(dir .. "/state.new", dir .. "/state")
end

-- ---- requests ----

local REQUESTS = {}

local function switch(machine, wanted)
    log("power", { text = wanted })
    if machine.faults:fire("power_fails", "power", wanted) then
        return "error the power switch does not answer"
    end
    if not machine.faults:fire("power_ignored", "power", wanted) then
        if wanted == "on" then
            machine:power_on()
        else
            machine:power_off()
        end
    end
    write_state(machine)
    return "ok " .. wanted
end

function REQUESTS.power(machine, wanted)
    if wanted == "read" then
        return "ok " .. (machine.powered and "on" or "off")
    elseif wanted == "cycle" then
        local answer = switch(machine, "off")
        return answer:find("^ok") and switch(machine, "on") or answer
    elseif wanted == "on" or wanted == "off" then
        return switch(machine, wanted)
    end
    return "error power " .. wanted
end

function REQUESTS.fault(machine, source)
    local fault = literal.value(source)
    machine.faults:add(fault)
    -- One without a stage happens at once.
    if fault.at == "now" then
        machine:stage("now")
    end
    if machine.shell then
        machine.shell:apply_faults()
    end
    return "ok"
end

function REQUESTS.clear(machine, kind)
    machine.faults:clear(kind ~= "" and kind or nil)
    if machine.shell then
        machine.shell:apply_faults()
    end
    return "ok"
end

local function answer(machine, request)
    local verb, rest = request:match("^(%S+)%s*(.*)$")
    local handler = REQUESTS[verb or ""]
    if not handler then
        return "error unknown request: " .. request
    end
    local ok, text = pcall(handler, machine, rest)
    return ok and text or ("error " .. tostring(text))
end

local function serve_requests(machine)
    local listener = wire.listen(dir .. "/control")
    loop:on_read(listener, function()
        local connection = wire.accept(listener)
        if not connection then
            return
        end
        loop:on_read(connection, function()
            local request = wire.read(connection, 65536)
            if request and request ~= "" then
                wire.write(connection, answer(machine, request))
            end
            loop:close(connection)
        end)
    end)
end

-- ---- the whole board ----

local function new_machine(kernel)
    local machine
    local console = Console.new(loop, dir .. "/console", function(bytes)
        machine:input(bytes)
    end)
    machine = Machine.new({
        loop = loop, console = console, options = options, log = log, dir = dir, kernel = kernel,
        faults = Faults.new(options.faults, function(fault, at, text)
            log("fault", { fault = fault.kind, at = at, text = text })
        end),
        boot = function(board)
            UBoot.new(board, Linux):boot()
        end,
    })
    console:mute(true)
    return machine
end

local function main()
    wire.mkdir(dir .. "/ram")
    local kernel = wire.kernel()
    rootfs.build(dir, options, kernel)
    bundle.build(dir, here .. "bundle/manifest.yaml")
    local machine = new_machine(kernel)
    write_state(machine)
    serve_requests(machine)
    -- Its reader is gone when the starter has closed the board, or has died.
    loop:on_read(STDOUT, function() running = false end)
    loop:on_read(wire.signals(), function() running = false end)
    io.stdout:write(dir, "\n")
    io.stdout:flush()
    ready = true
    while running do
        loop:turn()
        machine:reap()
        machine:step()
    end
end

local ok, message = xpcall(main, debug.traceback)
wire.kill_all()
wire.remove_tree(dir)
if not ok and not ready then
    refuse(message)
elseif not ok then
    error(message, 0)
end
