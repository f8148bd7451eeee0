-- SPDX-License-Identifier: Apache-2.0
--
-- Where the `fls` program comes from that the method of that name runs on the board:
-- a release of the public project, any URL, a file, or a copy that is installed on
-- this host. This host fetches it and knows its SHA-256 before the board gets it:
-- a release publishes a digest beside each program, any other URL must come with one.

local download = require("jflash.download")
local errors = require("jflash.errors")
local image = require("jflash.image")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

--- The release that is taken when none is named.
M.DEFAULT_VERSION = "0.3.0"

local RELEASE = "https://github.com/jumpstarter-dev/fls/releases/download/%s/%s"
-- The releases' programs by the board's machine, as its `uname -m` says.
local ASSETS = { aarch64 = "fls-aarch64-linux-musl", x86_64 = "fls-x86_64-linux" }
-- Where a copy for a machine may be installed; the last is whatever is in PATH.
local FOLDERS = { "/usr/local/lib/jflash", "/usr/lib/jflash" }

local LIMIT_BYTES = 128 << 20
local DIGEST_LIMIT_BYTES = 4096

-- ELF's e_machine (gabi, "ELF Header") and the names that uname gives.
local MACHINES = {
    [3] = "i686", [40] = "armv7l", [62] = "x86_64", [183] = "aarch64", [243] = "riscv64",
}

---@class jflash.FlsProgram
---@field path string    a file on this host
---@field sha256 string
---@field origin string  where it came from, for people

local function refuse(message, hint)
    errors.raise({ class = "config", code = "usage", message = message, hint = hint })
end

local function is_url(text)
    return text:find("^https?://") ~= nil
end

--- Refuses what cannot be right, before the power is touched.
---@param wanted {version: string|nil, binary_url: string|nil, sha256: string|nil}
function M.check(wanted)
    local place = wanted.binary_url
    if place and wanted.version then
        refuse("--fls-version and --fls-binary-url exclude each other")
    end
    if place and place:find("^%a[%w+.-]*://") and not is_url(place) then
        refuse(("--fls-binary-url %s: neither http, https nor a file"):format(place))
    end
    if place and is_url(place) and not wanted.sha256 then
        refuse("--fls-binary-url: a program from there must come with its digest",
            "fetch it by a way that you trust, and give --fls-sha256 $(sha256sum < FILE)")
    end
    if place and not is_url(place) then
        errors.check("config", sys.stat(place))
    end
    if wanted.version and wanted.version ~= "" and not wanted.version:find("^%w[%w.+-]*$") then
        refuse(("--fls-version %q is no version"):format(wanted.version), "as in --fls-version 0.3.0")
    end
end

-- The machine that a program is built for; nil for a script.
local function machine_of(path)
    local file = errors.check("host", io.open(path, "rb"))
    local head = file:read(20) or ""
    file:close()
    if #head < 20 or head:sub(1, 4) ~= "\127ELF" then
        return nil
    end
    local number = string.unpack(head:byte(6) == 2 and ">I2" or "<I2", head, 19)
    return MACHINES[number] or ("machine %d"):format(number)
end

-- A 32-bit arm kernel names its exact core.
local function is_same_machine(program, board)
    return program == board or (program == "armv7l" and board:find("^armv") ~= nil)
        or (program == "i686" and board:find("^i%d86$") ~= nil)
end

local function check_machine(program, machine)
    local built_for = machine_of(program.path)
    if built_for and not is_same_machine(built_for, machine) then
        errors.raise({ class = "config", code = "unsupported",
            message = ("fls from %s is built for %s, the board is %s"):format(
                program.origin, built_for, machine),
            hint = "--fls-binary-url takes one that is built for the board" })
    end
end

local function check_digest(program, expected, said_by)
    if program.sha256 ~= expected then
        errors.raise({ class = "source", code = "checksum", retry = 0,
            message = ("fls from %s has sha256:%s, %s says sha256:%s"):format(
                program.origin, program.sha256, said_by, expected) })
    end
end

-- Trust that was given for the image's server is good for this too; a certificate
-- of anybody only when the digest came another way.
local function fetch(dut, url, name, limit_bytes)
    local trust, file = dut.options.fetch or {}, dut.run:file(name)
    sys.remove(file) -- of a run in the same folder that was killed
    dut.scope:defer("remove " .. name, function()
        sys.remove(file)
    end)
    local fetched <close> = errors.check("host", download.start({
        url = url, name = url:gsub("[?#].*", ""), file = file, limit_bytes = limit_bytes,
        cacert = trust.cacert, insecure = trust.insecure and dut.options.fls.sha256 ~= nil,
    }))
    local result, message, code = fetched:wait()
    if not result then
        errors.raise({ class = "source", code = code, retry = 0, message = message,
            hint = "--fls-version '' serves a copy that is installed on this host" })
    end
    return file, result.sha256
end

-- `sha256sum`'s words: the digest, then the name.
local function published_digest(dut, url)
    local file = fetch(dut, url .. ".sha256", "fls.sha256", DIGEST_LIMIT_BYTES)
    local digest = errors.check("host", sys.read_file(file)):match("^(%x+)%s")
    if not digest or #digest ~= 64 then
        errors.raise({ class = "source", code = "protocol", retry = 0,
            message = url .. ".sha256 holds no SHA-256" })
    end
    return digest:lower()
end

local function from_release(dut, version, machine)
    local asset = ASSETS[machine]
    if not asset then
        errors.raise({ class = "config", code = "unsupported",
            message = ("fls %s is not released for %s"):format(version, machine),
            hint = "--fls-binary-url takes one that is built for the board; --method shell needs none" })
    end
    local url = RELEASE:format(version, asset)
    local expected = dut.options.fls.sha256 or published_digest(dut, url)
    local path, sha256 = fetch(dut, url, "fls", LIMIT_BYTES)
    local program = { path = path, sha256 = sha256, origin = url }
    check_digest(program, expected, dut.options.fls.sha256 and "--fls-sha256" or "the release")
    return program
end

local function from_file(path)
    return { path = path, sha256 = errors.check("host", image.sha256_file(path)), origin = path }
end

local function from_this_host(machine)
    local places = {}
    for _, folder in ipairs(FOLDERS) do
        table.insert(places, ("%s/fls-%s"):format(folder, machine))
    end
    for folder in (sys.getenv("PATH") or ""):gmatch("[^:]+") do
        table.insert(places, folder .. "/fls")
    end
    for _, path in ipairs(places) do
        if sys.stat(path) then
            return from_file(path)
        end
    end
    return errors.raise({ class = "config", code = "missing",
        message = ("no fls for %s is installed on this host"):format(machine),
        hint = ("put one at %s, or name a version or a file: --fls-version, --fls-binary-url")
            :format(places[1]) })
end

local function obtain(dut, machine)
    local wanted = dut.options.fls or {}
    if wanted.binary_url and is_url(wanted.binary_url) then
        local path, sha256 = fetch(dut, wanted.binary_url, "fls", LIMIT_BYTES)
        return { path = path, sha256 = sha256, origin = wanted.binary_url:gsub("[?#].*", "") }
    elseif wanted.binary_url then
        return from_file(wanted.binary_url)
    elseif wanted.version == "" then
        return from_this_host(machine)
    end
    return from_release(dut, wanted.version or M.DEFAULT_VERSION, machine)
end

--- The program for a board, as a file on this host; its digest is as it must be.
---@param dut jflash.Dut
---@param machine string  what the board's `uname -m` says
---@return jflash.FlsProgram
function M.obtain(dut, machine)
    local expected = (dut.options.fls or {}).sha256
    local program = obtain(dut, machine)
    if expected then
        check_digest(program, expected, "--fls-sha256")
    end
    check_machine(program, machine)
    log.info("fls from %s, sha256:%s", program.origin, program.sha256)
    return program
end

return M
