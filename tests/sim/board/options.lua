-- SPDX-License-Identifier: Apache-2.0
--
-- What a scripted board is like unless its starter says otherwise.
local M = {}

local DIALECTS = {
    -- Debian's U-Boot for QEMU.
    hush = {},
    -- CONFIG_HUSH_PARSER off: no && and ||, no if, and $? is two plain letters.
    simple = { knows_status = false },
    -- hush, but $? expands to nothing.
    nostatus = { knows_status = false },
    -- CONFIG_AUTOBOOT_KEYED.
    keyed = {
        autoboot_key = "stop",
        autoboot_text = "Autoboot in %d seconds, type 'stop' to interrupt\n",
    },
}

local DEFAULTS = {
    dialect = "hush",
    banner = "U-Boot 2023.01 (sim)",
    prompt = "=> ",
    autoboot_text = "Hit any key to stop autoboot: %2d ",
    autoboot_s = 2,
    interruptible = true,
    knows_status = true,
    line_limit = 511,
    environment = {},
    login = true,
    login_echo = true,
    login_prompt = "jflash-flasher login: ",
    user = "root",
    shell_prompt = "~ # ",
    disk_login_prompt = "debian login: ",
    storage_bytes = 64 << 20,
    needs_udhcpc = true,
    programs = {},
    faults = {},
}

local NET = {
    period_s = 0.1, -- of one "T"; 5 s on a real board
    tries = 10,
    rounds = 2,
    knows = { "tftpdstp", "tftpblocksize" },
    lease = {
        ipaddr = "10.0.2.15", netmask = "255.255.255.0",
        serverip = "10.0.2.2", gatewayip = "10.0.2.2", dnsip = "10.0.2.3",
    },
}

local DISK = { sysfs = "platform/a003e00.virtio_mmio/virtio0/block", model = "SIM DISK" }

local KNOWN = {
    autoboot_key = true, password = true, disks = true, net = true,
}

local function fill(target, defaults)
    for key, value in pairs(defaults) do
        if target[key] == nil then
            target[key] = value
        end
    end
    return target
end

-- As the kernel names them: vda1, but mmcblk0p1.
local function partition_name(disk, number)
    return disk.name .. (disk.name:find("%d$") and "p" or "") .. number
end

-- Partitions stand behind the disks, as disks with a parent.
local function add_partitions(disks)
    for index = 1, #disks do
        local disk = disks[index]
        for number, partition in ipairs(disk.partitions or {}) do
            fill(partition, { name = partition_name(disk, number), bytes = 1 << 20,
                read_only = disk.read_only })
            partition.parent, partition.number = disk, number
            disks[#disks + 1] = partition
        end
    end
end

--- The options, complete. An unknown one is an error.
function M.complete(given)
    for key in pairs(given) do
        assert(DEFAULTS[key] ~= nil or KNOWN[key], "unknown option: " .. tostring(key))
    end
    local dialect = DIALECTS[given.dialect or DEFAULTS.dialect]
    assert(dialect, "unknown dialect: " .. tostring(given.dialect))
    local options = fill(fill(given, dialect), DEFAULTS)
    options.net = fill(options.net or {}, NET)
    options.disks = options.disks or { {} }
    for index, disk in ipairs(options.disks) do
        fill(disk, { name = "vd" .. ("abcdefgh"):sub(index, index), bytes = options.storage_bytes })
        fill(disk, DISK)
    end
    add_partitions(options.disks)
    return options
end

return M
