-- SPDX-License-Identifier: Apache-2.0

local bundles = require("jflash.bundle")
local checks = require("jflash.cli.bundle_check")
local caches = require("jflash.cache")
local credentials = require("jflash.credentials")
local errors = require("jflash.errors")
local json = require("jflash.json")
local log = require("jflash.log")
local oci = require("jflash.oci.bundle")
local options = require("jflash.cli.options")
local pushes = require("jflash.oci.push")
local settings = require("jflash.oci.settings")
local show = require("jflash.oci.show")
local sys = require("jflash.sys")

local M = {}

local EPILOG = [[
check   proves a bundle's manifest and that its files are there; an unknown key
        is an error here, flash only warns of it
inspect shows what a reference means, or what a folder holds
list    shows the bundles in the cache
pull    fetches a bundle into the cache, or into the folder TO
push    sends a folder's files to the reference TO, or to oci-layout:DIR:TAG;
        the same files give the same digest

Examples:
  jflash bundle check build/bundles/qemu-arm64
  jflash bundle check --manifest manifest-fit.yaml qemu-arm64
  jflash bundle pull quay.io/org/bundle:1 --lock
  jflash bundle push build/bundles/qemu-arm64 oci://quay.io/org/bundle:1
  jflash bundle inspect oci://quay.io/org/bundle:1 --format json]]

function M.define(command)
    command:argument("action"):choices({ "check", "inspect", "list", "pull", "push" })
    command:argument("bundle", "The bundle: a folder, its name, a manifest alone (check), or a "
        .. "registry's reference."):argname("BUNDLE"):args("?")
    command:argument("to", "pull: the folder to make; push: the reference."):argname("TO"):args("?")
    command:option("--manifest", "The manifest's name inside the folder.")
        :argname("NAME"):default("manifest.yaml")
    command:flag("--lock", "pull: write the reference's digest to jflash.lock, which later runs obey.")
    command:option("--arch", "Which manifest of an index is meant, like arm64 (default: the board's "
        .. "arch)."):argname("ARCH")
    command:option("--annotation", "push: an annotation of the manifest (repeatable)."):argname("KEY=VALUE")
        :count("*"):init({})
    command:option("--format", "inspect, list: for people (text) or for machines (json).")
        :choices({ "text", "json" }):default("text")
    options.trust(command)
    options.registry(command)
    options.cache(command)
    options.output(command)
    command:epilog(EPILOG)
end

local function refuse(message, hint)
    errors.raise({ class = "config", code = "usage", message = message, hint = hint })
end

-- Who and what pulls: the settings and the board, or its stand-in.
local function place(values)
    local board = options.cache_place(values)
    local fetch, warnings = credentials.settle(values)
    for _, warning in ipairs(warnings) do
        log.warn("%s", warning)
    end
    credentials.add_board(fetch, board)
    return settings.settle(fetch, values, board), board
end

local function check(values)
    if bundles.is_remote(values.bundle) then
        local pulled <close> = oci.pull(values.bundle, place(values))
        checks.folder(pulled.path, values.manifest)
    else
        checks.place(values.bundle, values.manifest)
    end
end

local function print_fields(values, fields, text)
    sys.write(1, values.format == "json" and json.encode(fields, { pretty = true }) .. "\n" or text(fields))
end

local function inspect(values)
    if bundles.is_remote(values.bundle) then
        print_fields(values, show.reference(oci.look_up(values.bundle, place(values))), show.reference_text)
    else
        local bundle = bundles.open(bundles.find(values.bundle), { manifest = values.manifest })
        print_fields(values, show.folder(bundle), show.folder_text)
    end
end

local function list(values)
    local _, board = place(values)
    local cache = caches.open(board)
    print_fields(values, show.trees(cache and cache:entries() or {}), show.trees_text)
end

local function pull(values)
    local how, board = place(values)
    if not values.to and board.cache_limit == 0 then
        refuse("bundle pull: the cache is turned off (cache_limit: 0), so the bundle would go at once",
            "name a folder for it: jflash bundle pull REF DIR")
    end
    if values.lock then
        how.lock_folders = {} -- the lock is to be renewed, not obeyed
    end
    local pulled <close> = values.to and oci.pull_into(values.bundle, values.to, how, board)
        or oci.pull(values.bundle, how, board)
    if values.lock then
        log.info("its digest is in %s", pulled:write_lock((errors.check("host", sys.cwd()))))
    end
    sys.write(1, ("%s %s\n"):format(pulled.path, pulled.digest))
end

local function annotations_of(values)
    local annotations = {}
    for _, text in ipairs(values.annotation) do
        local key, value = text:match("^([^=]+)=(.*)$")
        if not key then
            refuse(("--annotation %s: expected KEY=VALUE"):format(text))
        end
        annotations[key] = value
    end
    return annotations
end

local function push(values)
    if not values.to then
        refuse("bundle push: where to?", "jflash bundle push DIR oci://HOST/NAME:TAG")
    elseif bundles.is_remote(values.bundle) then
        refuse(("bundle push: %s is no folder"):format(values.bundle), "jflash bundle push DIR REF")
    end
    local reference, digest = pushes.push(bundles.find(values.bundle), values.to, {
        manifest = values.manifest, annotations = annotations_of(values) }, (place(values)))
    sys.write(1, ("%s %s\n"):format(reference, digest))
end

local ACTIONS = { check = check, inspect = inspect, list = list, pull = pull, push = push }

function M.run(values)
    if values.action ~= "list" and not values.bundle then
        refuse(("bundle %s: which bundle?"):format(values.action), "a folder, or a reference like oci://HOST/NAME:TAG")
    elseif values.to and values.action ~= "pull" and values.action ~= "push" then
        refuse(("bundle %s takes one bundle"):format(values.action))
    elseif values.lock and values.action ~= "pull" then
        refuse("--lock goes with bundle pull")
    elseif #values.annotation > 0 and values.action ~= "push" then
        refuse("--annotation goes with bundle push")
    end
    ACTIONS[values.action](values)
    return 0
end

return M
