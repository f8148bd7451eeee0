-- SPDX-License-Identifier: Apache-2.0
--
-- Who made what a reference means: a signature by a key pair, stored as cosign stores it,
-- in the same repository under the tag sha256-DIGEST.sig. That is a manifest whose layers
-- are payloads ("simple signing"), each with its signature in an annotation; a payload
-- names the digest that was signed.

local errors = require("jflash.errors")
local json = require("jflash.json")
local log = require("jflash.log")
local registry = require("jflash.registry")
local sys = require("jflash.sys")

local M = {}

local PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
local SIGNATURE = "dev.cosignproject.cosign/signature"
local TYPE = "cosign container image signature"
local PAYLOAD_LIMIT = 64 << 10
local KEY_LIMIT = 64 << 10
-- Each is a download; nobody signs one thing so often.
local MOST_SIGNATURES = 32

local function refuse(repository, message, hint)
    errors.raise({ class = "source", code = "signature", retry = 0,
        message = ("%s: %s"):format(repository.reference.text, message), hint = hint })
end

local function field(value, ...)
    for _, name in ipairs({ ... }) do
        value = type(value) == "table" and value[name] or nil
    end
    return value
end

-- Why a payload, which the key has signed, is about something else; nil when it is not.
local function check_payload(text, digest)
    local payload = json.decode(text, "payload")
    if field(payload, "critical", "type") ~= TYPE then
        return "what is signed is no image"
    elseif field(payload, "critical", "image", "docker-manifest-digest") ~= digest then
        return "it is of another digest"
    end
    return nil
end

-- Why one signature is none for the digest; nil when it is good. A key that is none
-- raises.
local function check_one(blob, layer, key, digest)
    local text = errors.check("source", sys.read_file(blob.path, { limit_bytes = PAYLOAD_LIMIT }))
    local ok, message, code = registry.verify(key.pem, key.name, text, layer.annotations[SIGNATURE])
    if not ok and code == "unsupported" then
        errors.raise({ class = "config", code = code, message = message,
            hint = "as cosign generate-key-pair writes it to cosign.pub" })
    end
    return not ok and message or ok and check_payload(text, digest) or nil
end

local function signatures_of(manifest)
    local layers = {}
    for _, layer in ipairs(manifest.layers or {}) do
        if layer.media_type == PAYLOAD and layer.annotations[SIGNATURE] and layer.size <= PAYLOAD_LIMIT
            and #layers < MOST_SIGNATURES then
            table.insert(layers, layer)
        end
    end
    return layers
end

-- Whether the digest is signed by the key; else why not.
local function check_digest(repository, key, digest)
    local found = repository:find_tag(digest:gsub(":", "-") .. ".sig")
    if not found then
        return false, "it is not signed"
    end
    local layers = signatures_of(found.manifest)
    local held = repository:fetch(layers)
    local why = "what is stored as its signature holds none"
    for _, layer in ipairs(layers) do
        why = check_one(held[layer.digest], layer, key, digest)
        if not why then
            break
        end
    end
    for _, blob in pairs(held) do
        blob:close()
    end
    return why == nil, why
end

local function read_key(path)
    return { name = path, pem = errors.check("config", sys.read_file(path, { limit_bytes = KEY_LIMIT })) }
end

--- Raises class source unless what the reference means is signed by the settings' key:
--- the manifest itself, or the index that names it. Without a key nothing is asked for.
---@param repository jflash.OciRepository
---@param found {digest: string, tag_digest: string}
function M.check(repository, found)
    local path = repository.settings.verify_key
    if not path then
        return
    end
    local key = read_key(path)
    local signed, why = check_digest(repository, key, found.tag_digest)
    if not signed and found.digest ~= found.tag_digest then
        signed, why = check_digest(repository, key, found.digest)
    end
    if not signed then
        refuse(repository, ("no signature by %s: %s"):format(path, why),
            "cosign sign --key makes one; without --verify-key and verify_key none is asked for")
    end
    log.info("%s: signed by %s", repository.reference.text, path)
end

return M
