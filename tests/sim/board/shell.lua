-- SPDX-License-Identifier: Apache-2.0
--
-- The flasher's shell: a real busybox ash on a pty of its own, in the folder
-- DIR/root, above the fake kernel (host/kernel.h).
local faults = require("faults")
local relay = require("relay")
local wire = require("wire")

local M = {}
M.__index = M

local function environment(options)
    return {
        "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "TERM=vt102",
        "PATH=/sbin:/usr/sbin:/bin:/usr/bin", "PS1=" .. options.shell_prompt, "ENV=/etc/shrc",
    }
end

--- Starts the shell on the machine's console.
function M.new(machine)
    local self = setmetatable({ machine = machine, line = "" }, M)
    -- A system that has just booted has no address yet.
    os.remove(machine.dir .. "/root/etc/sim-link")
    self:apply_faults(true)
    local process = assert(wire.spawn({
        argv = { "/bin/busybox", "sh" }, env = environment(machine.options),
        root = machine.dir .. "/root", terminal = true, watched = true,
        watch_reads = self.watch_reads,
    }))
    self.pid, self.fd = process.pid, process.fd
    self.pidfd, self.listener = process.pidfd, process.listener
    machine.loop:on_read(self.fd, function() self:on_output() end)
    machine.loop:on_read(self.listener, function() self:on_call() end)
    -- Only wakes the loop, which reaps.
    machine.loop:on_read(self.pidfd, function() machine.loop:on_read(self.pidfd, nil) end)
    return self
end

-- ---- faults below the shell ----

local OFFSETS = {
    full_at = true, bad_write_at = true, bad_read_at = true, flip_at = true, sync_fails = true,
}

local function is_at_transfer(fault)
    return (fault.at == "write" or fault.at == "read") and fault.offset
end

-- A disk's fault counts the shells that meet it; for one set later this shell is
-- the first.
local function is_active(fault, starting)
    if starting or fault.active == nil then
        fault.active = faults.is_due(fault)
    end
    return fault.active
end

--- Tells the fake kernel where the faults that are due now lie: when the shell
--- starts, and when a fault was set or cleared.
function M:apply_faults(starting)
    local machine = self.machine
    local first = machine.options.disks[1]
    machine.kernel:clear()
    local function set(fault, key, value)
        machine.kernel:set(fault.disk or first.name, key, value)
        self.watch_reads = self.watch_reads or key == "bad_read_at" or key == "stop_read_at"
    end
    for _, fault in ipairs(machine.faults.list) do
        if fault.kind == "disk" and is_active(fault, starting) then
            for key in pairs(OFFSETS) do
                if fault[key] then
                    set(fault, key, fault[key])
                end
            end
            set(fault, "flips_left", math.min(fault.times or math.maxinteger, math.maxinteger))
        elseif is_at_transfer(fault) then
            set(fault, ("stop_%s_at"):format(fault.at), fault.offset)
        end
    end
    relay.apply(machine, starting)
end

-- ---- what happens in it ----

function M:on_output()
    local bytes = wire.read(self.fd, 65536)
    if not bytes then
        self.machine.loop:on_read(self.fd, nil)
    elseif bytes ~= "" then
        self.machine.console:send(bytes)
    end
end

-- A system call that the fake kernel answers.
function M:on_call()
    local machine = self.machine
    local event = machine.kernel:serve(self.listener)
    if not event then
        return
    end
    if event.kind == "gone" then
        machine.loop:on_read(self.listener, nil)
        return
    end
    machine.log(event.kind, { disk = event.disk, number = event.number, host = event.host,
        port = event.port })
    if event.kind == "poweroff" then
        machine:print("[   99.000001] reboot: Power down\n")
        machine:replace(function() machine:hang() end)
    elseif event.kind == "reboot" then
        machine:print("[   99.000001] reboot: Restarting system\n")
        machine:reset()
    elseif event.kind == "connect" then
        relay.expect(machine, event)
    elseif event.waiting then
        machine:stage(event.kind, tostring(event.number))
        if machine.shell == self then
            machine.kernel:resume(self.listener, event.waiting)
        end
    end
end

--- A key of the console.
function M:type(char)
    if char == "\r" or char == "\n" then
        local line = self.line
        self.line = ""
        self.machine.log("shell", { text = line })
        self.machine:stage("line", line)
    elseif char == "\3" or char == "\21" then
        self.line = ""
    elseif char == "\b" or char == "\127" then
        self.line = self.line:sub(1, -2)
    else
        self.line = self.line .. char
    end
    -- The stage may have ended this shell.
    if self.machine.shell == self and self.fd then
        wire.write(self.fd, char)
    end
end

function M:kill()
    wire.kill(self.pid)
end

--- Forgets the shell; it may still run.
function M:close()
    if self.fd then
        for _, fd in ipairs({ self.fd, self.pidfd, self.listener }) do
            self.machine.loop:close(fd)
        end
        self.fd = nil
        relay.close(self.machine)
    end
end

return M
