-- SPDX-License-Identifier: Apache-2.0
--
-- The flasher system from the kernel's first line to its shell, and the flashed
-- system as far as its login prompt.
local Shell = require("shell")

local M = {}

local KERNEL_LOG = {
    "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x411fd070]",
    "[    0.000000] Linux version 6.1.0-sim (sim@sim) (gcc 12.2.0) #1 SMP",
    "[    0.000000] Machine model: linux,dummy-virt (sim)",
    "[    0.412331] virtio_blk virtio0: [vda] 131072 512-byte logical blocks",
    "[    0.731122] Freeing unused kernel memory: 1024K",
}

local LAST_LINE = "[    0.752991] Run /init as init process"

local function kernel(machine, arguments, lines)
    machine.place = "login"
    machine:stage("kernel")
    if not (" " .. arguments .. " "):find(" quiet ", 1, true) then
        machine:print(table.concat(lines, "\n") .. "\n")
    end
end

-- ---- login ----

-- What is typed until Enter.
local function read_line(machine, echo)
    local line = ""
    while true do
        local char = machine:key() or ""
        if char == "\r" or char == "\n" then
            machine:print("\n")
            return line
        elseif char == "\3" or char == "\21" then
            line = ""
        elseif char == "\b" or char == "\127" then
            line = line:sub(1, -2)
        else
            line = line .. char
            if echo then
                machine:print(char)
            end
        end
    end
end

local function ask(machine)
    local options = machine.options
    machine:print("\n" .. options.login_prompt)
    local user = read_line(machine, options.login_echo)
    if user == "" then
        return false
    end
    machine.log("login", { user = user })
    if options.password then
        machine:stage("password")
        machine:print("Password: ")
        local password = read_line(machine, false)
        if machine.faults:fire("refuse_password", "password") or password ~= options.password then
            machine:print("\nLogin incorrect\n")
            return false
        end
    end
    if user ~= options.user then
        machine:print("\nLogin incorrect\n")
        return false
    end
    return true
end

-- The shell until it ends.
local function shell(machine)
    machine.shell = Shell.new(machine)
    machine:stage("shell")
    machine:wait(function() return machine.shell.status end)
    machine.log("shell ended", { status = machine.shell.status })
    machine.shell:close()
    machine.shell = nil
end

--- Boots the flasher. Does not return.
function M.boot(machine, arguments, has_initramfs)
    kernel(machine, arguments, KERNEL_LOG)
    if not has_initramfs then
        machine:panic({})
    end
    if not (" " .. arguments .. " "):find(" quiet ", 1, true) then
        machine:print(LAST_LINE .. "\n")
    end
    while true do
        machine:stage("login")
        -- Keys typed at the kernel are not the answer to a prompt.
        machine.typed = ""
        while machine.options.login and not ask(machine) do
            machine:stage("login")
        end
        shell(machine)
    end
end

--- Boots what the disk holds: its login prompt is all there is of it.
function M.boot_disk(machine)
    kernel(machine, "", KERNEL_LOG)
    machine:print("[    0.752991] Run /sbin/init as init process\n")
    while true do
        machine:print("\n" .. machine.options.disk_login_prompt)
        read_line(machine, true)
        machine:print("\nLogin incorrect\n")
    end
end

return M
