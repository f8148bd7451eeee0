-- SPDX-License-Identifier: Apache-2.0

local caches = require("jflash.cache")
local errors = require("jflash.errors")
local json = require("jflash.json")
local log = require("jflash.log")
local options = require("jflash.cli.options")
local scalar = require("jflash.scalar")
local sys = require("jflash.sys")
local verify = require("jflash.cache_verify")

local M = {}

local EPILOG = [[
list shows what is kept, the longest unused first; prune removes what was not
used for the longest time until the limit holds; verify compares everything with
its digest and removes what is damaged (exit status 4 when there was something).
What another run uses stays.

Examples:
  jflash cache list
  jflash cache prune --limit 5G]]

local function size(text)
    local value, message = scalar.size(text, nil, {})
    return value, message and ("'%s' is not %s"):format(text, message)
end

function M.define(command)
    command:argument("action"):choices({ "list", "prune", "verify" })
    options.cache(command)
    command:option("--limit", "prune: how much may stay, like 5G (default: the board's "
        .. "cache_limit, 20G)."):argname("SIZE"):convert(size)
    command:flag("--all", "prune: everything that is not in use.")
    command:option("--format", "list: for people (text) or for machines (json).")
        :choices({ "text", "json" }):default("text")
    options.output(command)
    command:epilog(EPILOG)
end

local NAMES = { blob = "content", partial = "partial", tree = "bundle" }

local function row(entry)
    return {
        kind = NAMES[entry.kind], name = entry.name, bytes = entry.size, path = entry.path,
        reference = entry.reference, last_used = os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(entry.time)),
    }
end

local function list(cache, values)
    local rows = setmetatable({}, json.array)
    local total = 0
    for index, entry in ipairs(cache:entries()) do
        rows[index] = row(entry)
        total = total + entry.size
    end
    if values.format == "json" then
        sys.write(1, json.encode(rows) .. "\n")
        return 0
    end
    for _, entry in ipairs(rows) do
        sys.write(1, ("%-8s %9s  %s  %s%s\n"):format(entry.kind, log.size(entry.bytes), entry.last_used,
            entry.name:sub(1, 19), entry.reference and "  " .. entry.reference or ""))
    end
    sys.write(1, ("%s in %s, at most %s\n"):format(log.size(total), cache.path, log.size(cache.limit)))
    return 0
end

local function prune(cache, values)
    cache.limit = values.all and 0 or values.limit or cache.limit
    cache:trim()
    local left = 0
    for _, entry in ipairs(cache:entries()) do
        left = left + entry.size
    end
    log.info("%s left in %s", log.size(left), cache.path)
    return 0
end

local function check(cache)
    local sound, damaged = verify.run(cache)
    if damaged == 0 then
        log.info("%d entries in %s are sound", sound, cache.path)
        return 0
    end
    return errors.raise({ class = "host", code = "checksum",
        message = ("%d of %d entries in %s were damaged, and were removed"):format(damaged, sound + damaged,
            cache.path),
        hint = "they are fetched again when they are needed; is the disk failing?" })
end

function M.run(values)
    local cache = caches.open(options.cache_place(values))
    if not cache then
        log.info("the cache is turned off (cache_limit: 0)")
        return 0
    end
    local actions = { list = list, prune = prune, verify = check }
    return actions[values.action](cache, values)
end

return M
