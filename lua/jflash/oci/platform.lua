-- SPDX-License-Identifier: Apache-2.0
--
-- Which manifest of an index is meant: the one for the board's architecture. It is
-- never guessed.

local errors = require("jflash.errors")

local M = {}

-- What others call the architectures (the names of Go's ports are the standard here).
local ALIASES = {
    aarch64 = "arm64", armv8 = "arm64", x86_64 = "amd64", ["x86-64"] = "amd64", i386 = "386", i686 = "386",
    armhf = "arm/v7", armv7 = "arm/v7", armv7l = "arm/v7", armel = "arm/v6", armv6l = "arm/v6",
}

--- An architecture as registries call it, with its variant.
---@param text string  like "arm64", "arm/v7", "linux/arm64", "aarch64"
---@return string architecture
---@return string|nil variant
function M.normalise(text)
    local name = text:lower():gsub("^linux/", "")
    name = ALIASES[name] or name
    local architecture, variant = name:match("^([^/]+)/(.+)$")
    return architecture or name, variant
end

---@param entry {os: string|nil, architecture: string|nil, variant: string|nil}
---@return string
local function shown(entry)
    local parts = { entry.os or "any", entry.architecture or "any", entry.variant }
    return table.concat(parts, "/")
end

-- Attestations stand beside the images that they are about.
local function is_attestation(entry)
    return entry.annotations["vnd.docker.reference.type"] ~= nil
        or entry.os == "unknown" and entry.architecture == "unknown"
end

local function candidates(index)
    local found = {}
    for _, entry in ipairs(index.manifests) do
        if not is_attestation(entry) then
            table.insert(found, entry)
        end
    end
    return found
end

local function fits(entry, architecture, variant)
    if not entry.architecture then
        return false
    end
    local own, own_variant = M.normalise(entry.architecture)
    own_variant = entry.variant or own_variant
    if own == "arm64" and own_variant == "v8" then
        own_variant = nil -- the only one there is
    end
    return own == architecture and (not variant or not own_variant or own_variant == variant)
        and (not entry.os or entry.os == "linux")
end

local function list(entries)
    local names = {}
    for index, entry in ipairs(entries) do
        names[index] = shown(entry)
    end
    return #names == 0 and "none" or table.concat(names, ", ")
end

--- The descriptor of the manifest for an architecture. Raises class config, with the
--- platforms that there are, when it cannot be told.
---@param index table           see registry.manifest
---@param arch string|nil       nil: not known
---@param name string           for messages
---@return table descriptor
function M.choose(index, arch, name)
    local entries = candidates(index)
    local fitting = entries
    if arch then
        local architecture, variant = M.normalise(arch)
        fitting = {}
        for _, entry in ipairs(entries) do
            if fits(entry, architecture, variant) then
                table.insert(fitting, entry)
            end
        end
    end
    if #fitting == 1 then
        return fitting[1]
    end
    local seen = #entries == 0 and "it has no platforms" or "its platforms: " .. list(entries)
    return errors.raise({
        class = "config", code = #fitting == 0 and "missing" or "ambiguous",
        message = arch and #fitting == 0 and ("%s: an index without a manifest for %s; %s"):format(name, arch, seen)
            or ("%s: an index of several manifests, and which one is meant is not known; %s"):format(name, seen),
        hint = arch and "say its variant: arch: arm/v7" or "set arch in the board's configuration (arch: arm64), or "
            .. "name the manifest by its digest",
    })
end

return M
