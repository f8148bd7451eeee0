-- SPDX-License-Identifier: Apache-2.0
--
-- The board's power, processor and stages. What runs on it (U-Boot, Linux) is a
-- coroutine that waits for keys, time and programs; power off or a reset simply
-- forgets it.
local wire = require("wire")

local M = {}
M.__index = M

local PANIC = "[    1.318234] Kernel panic - not syncing: VFS: Unable to mount root fs on "
    .. "unknown-block(0,0)\n"
    .. "[    1.318911] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0-sim #1\n"
    .. "[    1.319102] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on "
    .. "unknown-block(0,0) ]---\n"

--- `parts`: loop, console, faults, options, log, dir, kernel, and boot(machine),
--- which runs from reset.
function M.new(parts)
    local self = setmetatable(parts, M)
    self.powered = false
    self.typed = ""
    self.children = {}
    return self
end

-- ---- the processor ----

function M:run(program)
    self.processor = coroutine.create(program)
    self.is_ready = nil
    self.deadline = nil
end

--- Goes on with the program when what it waits for has come. The loop calls this
--- after every turn.
function M:step()
    while self.processor do
        local late = self.deadline and wire.now() >= self.deadline
        local result = self.is_ready and self.is_ready()
        if self.is_ready and not result and not late then
            return
        end
        local processor = self.processor
        self.is_ready, self.deadline = nil, nil
        self.loop:cancel(self.alarm)
        local ok, message = coroutine.resume(processor, result)
        if not ok then
            error(debug.traceback(processor, message), 0)
        end
        if self.processor == processor and coroutine.status(processor) == "dead" then
            self.processor = nil
        end
    end
end

--- Waits until `is_ready()` gives something true, and returns that; nil after
--- `timeout_s`.
function M:wait(is_ready, timeout_s)
    local result = is_ready()
    if result then
        return result
    end
    self.is_ready = is_ready
    if timeout_s then
        self.deadline = wire.now() + timeout_s
        self.alarm = self.loop:after(timeout_s, function() end)
    end
    return coroutine.yield()
end

function M:sleep(duration_s)
    self:wait(function() return false end, duration_s)
end

function M:hang()
    self:wait(function() return false end)
end

-- Replaces what runs. Does not return when called by the program itself.
function M:replace(program)
    local caller = coroutine.running()
    local own = caller == self.processor
    self:stop_programs()
    self:run(program)
    if own then
        coroutine.yield()
    end
end

-- ---- keys and text ----

-- A UART's FIFO of `bytes`, which the processor empties at `bytes_per_s`.
function M:overruns(place)
    local fault = self.faults:find("overrun", place)
    if not fault then
        return false
    end
    local now = wire.now()
    local taken = (now - (fault.at_s or now)) * fault.bytes_per_s
    local level = math.max(0, (fault.level or 0) - taken)
    local is_full = level + 1 > fault.bytes
    fault.level, fault.at_s = is_full and level or level + 1, now
    return is_full
end

function M:input(bytes)
    if not self.powered then
        return
    end
    local place = self.shell and "shell" or self.place
    for char in bytes:gmatch(".") do
        local is_lost = self:overruns(place) or char:byte() >= 32 and self.faults:typed("drop", place)
        if not is_lost then
            self:key_typed(char)
            if char:byte() >= 32 and self.faults:typed("double", place) then
                self:key_typed(char)
            end
        end
    end
end

function M:key_typed(char)
    if self.shell then
        self.shell:type(char)
    else
        self.typed = self.typed .. char
    end
end

--- The next character typed, or nil when none came within `timeout_s`.
function M:key(timeout_s)
    self:wait(function() return self.typed ~= "" end, timeout_s)
    local char = self.typed:sub(1, 1)
    self.typed = self.typed:sub(2)
    return char ~= "" and char or nil
end

--- Whether Ctrl-C was typed; what came before it is forgotten.
function M:interrupted()
    local _, last = self.typed:find(".*\3")
    if last then
        self.typed = self.typed:sub(last + 1)
    end
    return last ~= nil
end

function M:print(text)
    self.console:print(text)
end

-- ---- stages and their faults ----

--- Something that faults may wait for has come.
function M:stage(at, text)
    local noise = self.faults:fire("noise", at, text)
    if noise then
        local inserted = (noise.text or "[   12.345678] sim0: link is up\n"):gsub("\n", "\r\n")
        self.console:insert(inserted, noise.after_text or noise.after_bytes or 0)
    end
    local hang_up = self.faults:fire("hang_up", at, text)
    if hang_up then
        self:hang_up_console(hang_up)
    end
    if self.faults:fire("silence", at, text) then
        self.console:mute(true)
        self:replace(function() self:hang() end)
        return
    end
    if self.faults:fire("reset", at, text) then
        self:reset()
        return
    end
    local panic = self.faults:fire("panic", at, text)
    if panic then
        self:replace(function() self:panic(panic) end)
        return
    end
    if self.shell and self.faults:fire("die", at, text) then
        self.shell:kill()
    end
end

function M:hang_up_console(fault)
    self.console:hang_up()
    if fault.back_after_s then
        self.loop:after(fault.back_after_s, function() self.console:plug_in() end)
    end
end

function M:panic(fault)
    self:print(fault.text or PANIC)
    if fault.reboot_after_s then
        self:sleep(fault.reboot_after_s)
        self:reset()
    end
    self:hang()
end

-- ---- power ----

function M:stop_programs()
    if self.shell then
        self.shell:close()
        self.shell = nil
    end
    for _, child in pairs(self.children) do
        self.loop:close(child.fd)
        self.loop:close(child.pidfd)
    end
    self.children = {}
    wire.kill_all()
end

--- Starts from the boot ROM, as at power-on.
function M:reset()
    self.log("reset", {})
    self.place = "uboot"
    self.typed = ""
    self:replace(function() self.boot(self) end)
end

function M:power_on()
    if self.powered then
        return
    end
    self.powered = true
    self.console:plug_in()
    self.console:mute(false)
    local slow = self.faults:fire("slow", "power")
    self.console:pace(slow and slow.bytes_per_s or nil)
    self:reset()
end

function M:power_off()
    if not self.powered then
        return
    end
    self.powered = false
    self.processor = nil
    self.typed = ""
    self:stop_programs()
    self.console:mute(true)
end

-- ---- programs of the host that play a part ----

--- Runs a program to its end. Returns its exit status and output. `poll`, when
--- given, is called every `period_s`, and ends the program by returning true:
--- then the status is nil.
function M:run_program(argv, period_s, poll)
    local child = assert(wire.spawn({ argv = argv }))
    local output = ""
    self.children[child.pid] = child
    self.loop:on_read(child.fd, function()
        local bytes = wire.read(child.fd, 65536)
        if bytes then
            output = output .. bytes
        else
            self.loop:on_read(child.fd, nil)
        end
    end)
    self.loop:on_read(child.pidfd, function() end)
    while not child.status do
        self:wait(function() return child.status end, period_s)
        if not child.status and poll and poll() then
            wire.kill(child.pid)
            break
        end
    end
    output = output .. (wire.read(child.fd, 65536) or "")
    self.children[child.pid] = nil
    self.loop:close(child.fd)
    self.loop:close(child.pidfd)
    return child.status, output
end

--- Reaps what has ended. The loop calls this after every turn.
function M:reap()
    for pid, status in wire.reap do
        if self.children[pid] then
            self.children[pid].status = status
        elseif self.shell and self.shell.pid == pid then
            self.shell.status = status
        end
    end
end

return M
