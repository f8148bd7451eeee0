-- SPDX-License-Identifier: Apache-2.0
--
-- What machine the virtual board is: its configuration, its files, and the
-- command line that starts it.

local errors = require("jflash.errors")
local image = require("jflash.image")
local schema = require("jflash.schema")
local sys = require("jflash.sys")
local xdg = require("jflash.xdg")

local M = {}

local function is_power_of_two(number)
    return number & (number - 1) == 0
end

local function check_card_size(bytes)
    return not is_power_of_two(bytes) and ("an SD card has a power of two (512M, 1G, 2G, …), not %d bytes")
        :format(bytes) or nil
end

local function optional_path()
    return schema.string({ nullable = true, filled = true })
end

M.schema = schema.record({
    binary = schema.string({ default = "qemu-system-aarch64", filled = true }),
    machine = schema.string({ default = "virt", filled = true }),
    cpu = schema.string({ default = "cortex-a57", filled = true }),
    memory_mb = schema.integer({ default = 1024, min = 1 }),
    bios = schema.string({ default = "/usr/lib/u-boot/qemu_arm64/u-boot.bin", filled = true }),
    drive = optional_path(),
    drive_size = schema.size({ default = 1 << 30, min = 1 }),
    card = optional_path(),
    card_size = schema.size({ nullable = true, min = 1, check = check_card_size }),
    dir = optional_path(),
    extra_args = schema.list(schema.string(), { nullable = true, default = {} }),
})

-- Of a card whose file is named, and not there yet.
local CARD_SIZE = 1 << 30

-- The kernel's limit for a socket's path (sun_path, less its NUL).
local SOCKET_PATH_MAX = 107
local LONGEST_SOCKET = "/console.sock"
-- Permission bits of others, and of others than the owner for writing.
local ANY_OTHER = 0x3f
local OTHERS_WRITE = 0x12

---@class jflash.power.Machine
---@field dir string
---@field dir_is_default boolean
---@field drive string
---@field card string|nil

local function fail_config(message, hint)
    errors.raise({ class = "config", code = "config", message = "power: " .. message, hint = hint })
end

local function absolute(path)
    local home = xdg.home()
    if path and home and path:sub(1, 2) == "~/" then
        return home .. path:sub(2)
    elseif not path or path:sub(1, 1) == "/" then
        return path
    end
    return errors.check("host", sys.cwd()) .. "/" .. path
end

-- A board's name as the name of a file.
local function file_name(name)
    return (name:gsub("[^%w._-]", "_"):gsub("^%.", "_"))
end

local function is_private(path)
    local info = sys.stat(path, { follow = false })
    return info and info.type == "dir" and info.uid == sys.uid() and info.mode & ANY_OTHER == 0
end

-- The folder in which a machine's own disks lie.
local function storage_dir(id)
    local state = xdg.folder("state")
    if not state then
        fail_config('neither "drive" nor $HOME is set', "--set power.drive=PATH")
    end
    return ("%s/boards/%s"):format(state, id)
end

local function default_dir(id)
    local runtime = sys.getenv("XDG_RUNTIME_DIR")
    if runtime and runtime:sub(1, 1) == "/" and is_private(runtime) then
        return ("%s/jflash/%s"):format(runtime, id)
    end
    local shared = ("/tmp/jflash-%d"):format(sys.uid())
    -- In a user namespace our number may be another's outside.
    if sys.stat(shared, { follow = false }) and not is_private(shared) then
        return storage_dir(id)
    end
    return shared .. "/" .. id
end

-- Tells a machine from others of the same board: each drive that is named makes
-- one, so that several run side by side.
local function machine_id(name, drive)
    if not drive then
        return file_name(name)
    end
    return ("%s-%s"):format(file_name(name), image.sha256(drive):sub(1, 8))
end

local function card_of(config, id)
    if config.card or not config.card_size then
        return absolute(config.card)
    end
    return storage_dir(id) .. "/card.img"
end

--- The configuration with defaults, checked as far as it can be without touching
--- anything.
---@param config table
---@param name string  the board's
---@return jflash.power.Machine
function M.settings(config, name)
    local settings = {}
    for key in pairs(M.schema.fields) do
        settings[key] = config[key]
    end
    settings.name = name
    settings.dir_is_default = config.dir == nil
    settings.drive = absolute(config.drive)
    local id = machine_id(name, settings.drive)
    settings.dir = absolute(config.dir) or default_dir(id)
    settings.drive = settings.drive or storage_dir(id) .. "/drive.img"
    settings.card = card_of(config, id)
    settings.card_size = settings.card_size or CARD_SIZE
    if #settings.dir + #LONGEST_SOCKET > SOCKET_PATH_MAX then
        fail_config(("the folder for its sockets has too long a name (%d bytes, %d are possible): %s")
            :format(#settings.dir, SOCKET_PATH_MAX - #LONGEST_SOCKET, settings.dir),
            "--set power.dir=/tmp/…")
    end
    return settings
end

-- A folder that others could write to would let them choose what we kill and
-- where the console leads.
local function check_owner(path, forbidden)
    local info = errors.check("host", sys.stat(path, { follow = false }))
    if info.type == "dir" and info.uid == sys.uid() and info.mode & forbidden == 0 then
        return
    end
    errors.raise({
        class = "host",
        code = "unsafe",
        retry = 0,
        message = ("power: %s is not a folder that only we can write to"):format(path),
        hint = "remove it, or use another with --set power.dir=PATH",
    })
end

--- Checks that the state folder, which exists, is ours alone.
---@param settings jflash.power.Machine
function M.check_dir(settings)
    if settings.dir_is_default then
        check_owner(settings.dir:match("^(.*)/"), ANY_OTHER)
    end
    check_owner(settings.dir, settings.dir_is_default and ANY_OTHER or OTHERS_WRITE)
end

--- Makes the state folder when it is missing, and checks it.
---@param settings jflash.power.Machine
function M.make_dir(settings)
    errors.check("host", sys.mkdir(settings.dir))
    M.check_dir(settings)
end

-- Refuses what is no plain file (a host's disk!), and makes what is missing.
local function check_storage(key, path, size_bytes)
    local info, message, code, errno = sys.stat(path)
    if not info and errno == "ENOENT" then
        errors.check("host", sys.mkdir((path:match("^(.*)/"))))
        errors.check("host", sys.make_sparse(path, size_bytes))
        return size_bytes
    end
    errors.check("host", info, message, code)
    if info.type ~= "file" then
        errors.raise({
            class = "config",
            code = "config",
            message = ("power.%s: %s is no plain file but a %s"):format(key, path, info.type),
            hint = "name a disk image file, or one that does not exist yet",
        })
    end
    return info.size
end

--- Checks what QEMU needs, and makes disks that are missing.
---@param settings jflash.power.Machine
function M.check_files(settings)
    if not sys.stat(settings.bios) then
        errors.raise({
            class = "host",
            code = "io",
            retry = 0,
            message = ("power.bios: %s does not exist"):format(settings.bios),
            hint = settings.bios:find("^/usr/lib/u%-boot/") and "apt install u-boot-qemu" or nil,
        })
    end
    check_storage("drive", settings.drive, settings.drive_size)
    if settings.card then
        local size = check_storage("card", settings.card, settings.card_size)
        if not is_power_of_two(size) then
            fail_config(("card: %s has %d bytes, and an SD card must have a power of two")
                :format(settings.card, size), "truncate -s 1G " .. settings.card)
        end
    end
end

--- A value inside one of QEMU's comma-separated options.
---@param value string
---@return string
function M.escape(value)
    return (value:gsub(",", ",,"))
end

local function add(arguments, ...)
    for _, argument in ipairs({ ... }) do
        table.insert(arguments, argument)
    end
end

local function add_drive(arguments, id, path)
    add(arguments, "-drive",
        ("if=none,id=%s,format=raw,cache=writeback,file=%s"):format(id, M.escape(path)))
end

local function add_socket(arguments, id, path)
    add(arguments, "-chardev",
        ("socket,id=%s,server=on,wait=off,path=%s"):format(id, M.escape(path)))
end

--- The command that starts the machine, with its processor stopped.
---@param settings jflash.power.Machine
---@param paths {qmp_path: string, console_path: string}
---@return string[]
function M.command(settings, paths)
    local arguments = {
        settings.binary, "-M", settings.machine, "-cpu", settings.cpu, "-smp", "1",
        "-m", tostring(settings.memory_mb), "-name", "jflash-" .. file_name(settings.name),
        "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
        "-bios", settings.bios, "-S",
        "-netdev", "user,id=n0", "-device", "virtio-net-device,netdev=n0",
    }
    add_socket(arguments, "qmp", paths.qmp_path)
    add(arguments, "-mon", "chardev=qmp,mode=control")
    add_socket(arguments, "console", paths.console_path)
    add(arguments, "-serial", "chardev:console")
    add_drive(arguments, "d0", settings.drive)
    add(arguments, "-device", "virtio-blk-device,drive=d0")
    if settings.card then
        add_drive(arguments, "d1", settings.card)
        add(arguments, "-device", "sdhci-pci", "-device", "sd-card,drive=d1")
    end
    add(arguments, table.unpack(settings.extra_args))
    return arguments
end

local PACKAGES = {
    { "aarch64$", "qemu-system-arm" },
    { "arm$", "qemu-system-arm" },
    { "x86_64$", "qemu-system-x86" },
    { "i386$", "qemu-system-x86" },
    { "riscv", "qemu-system-misc" },
}

--- How to get a QEMU program that is missing; nil for one that Debian does not have.
---@param binary string
---@return string|nil
function M.package_hint(binary)
    for _, entry in ipairs(PACKAGES) do
        if binary:find(entry[1]) then
            return "apt install " .. entry[2]
        end
    end
    return nil
end

return M
