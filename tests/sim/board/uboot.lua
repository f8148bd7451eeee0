-- SPDX-License-Identifier: Apache-2.0
--
-- U-Boot as a person at the serial line meets it: banner, autoboot, prompt, line
-- editing, and the command language of the board's dialect.
local commands = require("commands")
local hush = require("hush")

local M = {}
M.__index = M

-- Those that an empty line does again.
local REPEATABLE = {
    boot = true, bootd = true, booti = true, bootm = true, bootz = true, crc32 = true,
    dhcp = true, ping = true, printenv = true, tftpboot = true, version = true,
}

local function default_environment(options)
    local variables = {
        baudrate = "115200",
        bootcmd = "run distro_bootcmd",
        bootdelay = tostring(options.autoboot_s),
        distro_bootcmd = "bootdisk",
        ethaddr = "52:54:00:12:34:56",
        fdt_addr_r = "0x4a000000",
        kernel_addr_r = "0x40400000",
        loadaddr = "0x40200000",
        ramdisk_addr_r = "0x48000000",
    }
    for name, value in pairs(options.environment) do
        variables[name] = value
    end
    return variables
end

function M.new(machine, linux)
    local options = machine.options
    local self = setmetatable({
        machine = machine, options = options, linux = linux,
        variables = default_environment(options), ram = {}, last_line = "",
    }, M)
    self.shell = {
        status = 0,
        knows_status = options.knows_status,
        get = function(name) return self.variables[name] end,
        print = function(text) machine:print(text) end,
        execute = function(words) return self:execute(words) end,
    }
    return self
end

-- ---- autoboot ----

function M:banner()
    local machine, options = self.machine, self.options
    machine:stage("banner")
    machine:print("\n\n" .. options.banner .. "\n\nDRAM:  1 GiB\nCore:  51 devices, 14 uclasses\n"
        .. "In:    serial\nOut:   serial\nErr:   serial\nNet:   eth0: virtio-net#0\n")
end

-- Whether the keys typed so far stop the countdown.
function M:is_stopped(typed)
    local key = self.options.autoboot_key
    if not self.options.interruptible then
        return false
    end
    return key and typed:find(key, 1, true) ~= nil or not key and typed ~= ""
end

-- The keys typed before the countdown count, as those in a UART's FIFO do.
function M:countdown()
    local machine, options = self.machine, self.options
    local typed = ""
    local left_s = options.autoboot_s
    while left_s > 0 do
        local seconds = math.ceil(left_s)
        local text = options.autoboot_text:format(seconds)
        machine:print(left_s == options.autoboot_s and text or ("\b\b\b%2d "):format(seconds))
        local tick_s = math.min(left_s, 1)
        left_s = left_s - tick_s
        local over = false
        local timer = machine.loop:after(tick_s, function() over = true end)
        repeat
            local char = machine:key(tick_s)
            typed = typed .. (char or "")
            if self:is_stopped(typed) then
                machine.loop:cancel(timer)
                return true
            end
        until over
    end
    return false
end

-- ---- the line editor ----

function M:prompt()
    local machine = self.machine
    machine:stage("prompt")
    machine:print(self.options.prompt)
end

-- An escape that starts no known sequence becomes part of the line, as it does
-- in U-Boot; so what stopped the autoboot may still lie there.
function M:escape(line)
    local machine = self.machine
    local char = machine:key() or ""
    if char == "[" or char == "O" then
        machine:key()
        return line
    end
    return self:add(line, "\27" .. char)
end

-- U-Boot's line has a fixed size and drops what does not fit.
function M:add(line, chars)
    if #line + #chars > self.options.line_limit then
        return line
    end
    self.machine:print(chars)
    return line .. chars
end

--- A line as typed and echoed; nil after Ctrl-C.
function M:read_line()
    local machine, line = self.machine, ""
    while true do
        local char = machine:key() or ""
        if char == "\r" or char == "\n" then
            machine:print("\n")
            return line
        elseif char == "\3" then
            machine:print("<INTERRUPT>\n")
            return nil
        elseif char == "\b" or char == "\127" then
            if line ~= "" then
                line = line:sub(1, -2)
                machine:print("\b \b")
            end
        elseif char == "\21" then
            machine:print(("\b"):rep(#line) .. (" "):rep(#line) .. ("\b"):rep(#line))
            line = ""
        elseif char == "\27" then
            line = self:escape(line)
        elseif char:byte() >= 32 then
            line = self:add(line, char)
        end
    end
end

-- ---- running commands ----

function M:execute(words)
    local command = commands[words[1]]
    if not command then
        self.machine:print(("Unknown command '%s' - try 'help'\n"):format(words[1]))
        return 1
    end
    return command(self, words)
end

function M:run(line)
    local language = self.options.dialect == "simple" and hush.simple or hush.hush
    language(line, self.shell)
    return self.shell.status
end

function M:obey(line)
    local machine = self.machine
    if line:find("^%s*$") then
        line = REPEATABLE[self.last_line:match("^%s*(%S*)")] and self.last_line or ""
    else
        self.last_line = line
    end
    if line ~= "" then
        machine.log("uboot", { text = line })
        machine:stage("command", line)
        self:run(line)
    end
end

--- From reset on. Does not return.
function M:boot()
    self:banner()
    self.machine:stage("autoboot")
    if not self:countdown() then
        self.machine:print("\n")
        self:run(self.variables.bootcmd or "")
    else
        self.machine:print("\n")
    end
    while true do
        self:prompt()
        local line = self:read_line()
        if line then
            self:obey(line)
        end
    end
end

return M
