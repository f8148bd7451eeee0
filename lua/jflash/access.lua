-- SPDX-License-Identifier: Apache-2.0
--
-- What lets this user use a device, or another file, that the system refused to open:
-- the command, by whose it is and who we are.

local sys = require("jflash.sys")

local M = {}

-- Who may read and write by being in the file's group.
local GROUP_RW = tonumber("060", 8)
-- The group that dist/70-jflash.rules gives devices to.
local GROUP = "plugdev"

local function join(group)
    return ('sudo usermod -aG %s "$USER", then log in again (id shows the groups)'):format(group)
end

-- What is missing besides a device that belongs to GROUP.
local function then_join()
    local _, membership = sys.group(GROUP)
    return membership == "not" and "\nand be in that group: " .. join(GROUP) or ""
end

--- The commands that give `path` to the group of the udev rules until the device comes
--- anew.
---@param path string
---@return string
function M.give(path)
    return ("sudo chgrp %s %s && sudo chmod g+rw %s; for good by the udev rule of docs/host-setup.md%s"):format(
        GROUP, path, path, then_join())
end

--- The command that puts a line of udev rules into force.
---@param rule string
---@return string
function M.add_rule(rule)
    return ("a udev rule lets you: echo '%s' | sudo tee -a /etc/udev/rules.d/70-jflash.rules && "
        .. "sudo udevadm control --reload && sudo udevadm trigger%s"):format(rule, then_join())
end

local function for_group(path, gid)
    local group, membership = sys.group(gid)
    if membership == "not" then
        return join(group)
    elseif membership == "after_login" then
        return ("this user is in the group %s, but not yet where jflash was started: log in again, or: newgrp %s")
            :format(group, group)
    end
    -- The owner's own bits, an access list, SELinux or AppArmor.
    return ("the group %s may, and this user is in it; what forbids it, getfacl %s or the kernel's log may show")
        :format(group, path)
end

--- What to do; nil when `errno` is no refusal.
---@param path string
---@param errno string|nil  "EACCES"
---@param otherwise string  what helps when no group that one may join has the file
---@return string|nil
function M.hint(path, errno, otherwise)
    if errno == "EPERM" then
        return ("a container or a service may use only the devices that it was given: --device %s (docker, podman), "
            .. "DeviceAllow=%s rw (systemd)"):format(path, path)
    elseif errno ~= "EACCES" then
        return nil
    end
    local info = sys.stat(path)
    if not info or info.gid == 0 or info.mode & GROUP_RW ~= GROUP_RW then
        return otherwise
    end
    return for_group(path, info.gid)
end

return M
