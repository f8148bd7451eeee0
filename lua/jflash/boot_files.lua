-- SPDX-License-Identifier: Apache-2.0
--
-- One's own kernel, initramfs or device tree instead of the bundle's, from a file or
-- a URL. The address stays the manifest's.
--
--   boot_files.use(dut, "kernel", "/home/me/linux/arch/arm64/boot/Image")

local errors = require("jflash.errors")
local fetch = require("jflash.fetch")
local log = require("jflash.log")
local manifest = require("jflash.manifest")
local sys = require("jflash.sys")
local urls = require("jflash.url")

local M = {}

local DTB_MAGIC = "\xd0\x0d\xfe\xed"

local function refuse(role, message, hint)
    errors.raise({ class = "config", code = "unsupported", message = role .. ": " .. message, hint = hint })
end

-- Read as well as looked at: a file that is there may still be closed to us.
local function check_content(role, path)
    local file <close>, message = io.open(path, "rb")
    if not file then
        refuse(role, message)
    elseif role == "dtb" and file:read(#DTB_MAGIC) ~= DTB_MAGIC then
        refuse(role, path .. " is no device tree blob", "dtc -O dtb makes one of a source")
    end
end

-- Headers and tokens are meant for the servers of the images; whom to trust holds for all.
local function fetch_settings(dut, url)
    local settings = dut.options.fetch or {}
    for _, piece in ipairs(dut.options.pieces or {}) do
        if urls.origin(piece.image) == urls.origin(url) then
            return settings
        end
    end
    return { cacert = settings.cacert, insecure = settings.insecure }
end

local function check_scheme(role, url)
    if not urls.is_http(url) then
        refuse(role, ("%s: fetched is from http:// and https://, not by %s"):format(
            urls.shown(url), urls.scheme(url)))
    end
end

-- Fetches a URL into the cache, where it stays while the run lasts.
local function fetched_path(dut, role, url)
    urls.keep_secrets(url)
    dut:need_run()
    local fetched = dut.scope:own(fetch.open(url, {
        settings = fetch_settings(dut, url),
        board = dut.board,
        retries = dut.options.retries,
        temporary = dut.run:file("fetched-" .. sys.random_hex(4)),
    }), "close the " .. role)
    return fetched:await(), fetched.name
end

-- What is known of a file: where it is now, and its size.
local function inspect(role, path)
    local real, message = sys.realpath(path)
    local info
    if real then
        info, message = sys.stat(real)
    end
    if not info then
        refuse(role, message)
    elseif info.type ~= "file" then
        refuse(role, ("%s is not a file (%s)"):format(path, info.type))
    elseif info.size == 0 then
        refuse(role, path .. " is empty")
    end
    check_content(role, real)
    return { path = real, size_bytes = info.size }
end

-- The file at a place, and the place as it may be shown. A dry run fetches nothing.
local function find_file(dut, role, place)
    if not urls.scheme(place) then
        return inspect(role, place), place
    end
    check_scheme(role, place)
    if dut.options.dry_run then
        return { path = urls.shown(place) }, urls.shown(place)
    end
    local path, shown = fetched_path(dut, role, place)
    return inspect(role, path), shown
end

-- A boot command that takes its device tree from a FIT, or from the firmware, does
-- not look at what was loaded beside it.
local function warn_unused(dut)
    local address = dut.own_files.dtb and dut.manifest:address("dtb")
    local digits = address and address:lower():gsub("^0x0*", "")
    if digits and not dut.variant.bootcmd:lower():find(digits, 1, true) then
        log.warn("your dtb goes to %s, which this boot command does not name: %s", address,
            dut.variant.bootcmd)
    end
end

---Settles what `dut.files` is: the bundle's files for the variant, and one's own.
---Raises a config error when the manifest has no address for one of these.
---@param dut jflash.Dut with its bundle opened
function M.settle(dut)
    dut.files = dut.bundle:files(dut.variant.name, dut.own_files)
    warn_unused(dut)
    if dut.options.dry_run then
        return -- some of the files may not be here
    end
    dut.report.bundle = {
        path = dut.bundle.root, name = dut.manifest.name, variant = dut.variant.name,
        sha256 = dut.bundle:digest(dut.files),
        reference = dut.bundle.reference, digest = dut.bundle.oci_digest,
    }
end

---Takes a file of one's own. Raises a config error when it cannot be one, and class
---source when it cannot be fetched.
---@param dut jflash.Dut
---@param role "kernel"|"initram"|"dtb"
---@param place string a path, or a URL
function M.use(dut, role, place)
    local file, shown = find_file(dut, role, place)
    dut.own_files[role] = file
    log.info("%s from %s", role, shown)
    if dut.files then
        M.settle(dut)
    end
end

---Takes what the command line names.
---@param dut jflash.Dut
function M.use_options(dut)
    for _, role in ipairs(manifest.roles) do
        if dut.options[role] then
            M.use(dut, role, dut.options[role])
        end
    end
end

return M
