-- SPDX-License-Identifier: Apache-2.0
--
-- The manifest of a flash bundle (apiVersion jumpstarter.dev/v1alpha1, kind
-- FlashBundleManifest): what to load where, how to boot it and log in, and which
-- storage the board has.
--
--   local m = manifest.load("bundles/qemu-arm64/manifest.yaml")
--   local variant = m:variant("default")
--   for _, file in ipairs(m:files(variant.name)) do print(file.role, file.file) end

local errors = require("jflash.errors")
local nearest = require("jflash.nearest")
local schema = require("jflash.schema")
local sys = require("jflash.sys")
local yaml = require("jflash.yaml")

local M = {}

-- What U-Boot loads, in this order.
M.roles = { "kernel", "initram", "dtb" }

local API_GROUP = "jumpstarter.dev/"
local API_VERSION = API_GROUP .. "v1alpha1"

---@class jflash.manifest.file
---@field role "kernel"|"initram"|"dtb"
---@field file string relative to the bundle
---@field address string as written
---@field where string "file:line:column: key", where the manifest names it

---@class jflash.manifest
---@field name string
---@field source string the manifest's file
---@field spec table as in the file, with defaults; `login.type` is `shelltype`
---@field warnings string[]
---@field positions table<string, string>
local Manifest = {}
Manifest.__index = Manifest

-- A name inside the bundle: nothing that could leave it.
local function check_file(file)
    if file:find("%c") then
        return "a file name has no control characters"
    elseif file:sub(1, 1) == "/" then
        return schema.quoted(file) .. " is absolute; name a file of the bundle, relative to it"
    end
    for part in (file .. "/"):gmatch("([^/]*)/") do
        if part == "" or part == ".." then
            return schema.quoted(file) .. " may leave the bundle; name a file in it, without '..'"
        end
    end
    return nil
end

M.check_file = check_file

-- U-Boot is told the name, and takes it for what it looks like: words, variables,
-- another host's name before a colon.
local function check_loaded(file)
    local odd = file:match("[^%w%._/+@=,~-]")
    return check_file(file) or odd and ("%s has a character that U-Boot's command line takes apart: %s"):format(
        schema.quoted(file), schema.quoted(odd)) or nil
end

local function check_target(path)
    if path:find("%c") or path:sub(1, 1) ~= "/" or path:match("^/sys/class/block#$") then
        return schema.quoted(path) .. " is neither a device like /dev/mmcblk0 nor /sys/class/block#ADDRESS"
    end
    return nil
end

M.check_target = check_target

local function check_line(text)
    return text:find("%c") and "a command is one line without control characters" or nil
end

local function check_version(version)
    if version:sub(1, #API_GROUP) ~= API_GROUP then
        return ("expected %s, found %s"):format(API_VERSION, schema.quoted(version))
    end
    return nil
end

local function check_dtb(dtb)
    if not dtb.variants[dtb.default] then
        return ("%s is none of the variants: %s"):format(
            schema.quoted(dtb.default), table.concat(schema.names(dtb.variants), ", ")), "default"
    end
    for _, name in ipairs(schema.names(dtb.variants)) do
        if dtb.variants[name].file and not dtb.address then
            return ("missing key 'address', since variant %s has a file"):format(schema.quoted(name))
        end
    end
    return nil
end

local function check_spec(spec)
    if spec.default_target and not spec.targets[spec.default_target] then
        return ("%s is none of the targets: %s"):format(
            schema.quoted(spec.default_target), table.concat(schema.names(spec.targets), ", ")), "default_target"
    elseif spec.shelltype and spec.login.type and spec.shelltype ~= spec.login.type then
        return "differs from login.type", "shelltype"
    end
    return nil
end

local function file_name()
    return schema.string({ required = true, filled = true, check = check_loaded })
end

local function loaded_file(options)
    return schema.record({ file = file_name(), address = schema.address({ required = true }) }, options)
end

local function command(options)
    options.filled, options.line, options.check = true, true, check_line
    return schema.string(options)
end

-- Older bundles have the file's name alone.
local VARIANT = schema.record({
    file = schema.string({ nullable = true, filled = true, check = check_loaded }),
    bootcmd = command({ nullable = true }),
}, { nullable = true, shorthand = "file" })

local SPEC = schema.record({
    manufacturer = schema.string({ nullable = true }),
    link = schema.string({ nullable = true }),
    bootcmd = command({ required = true }),
    shelltype = schema.enum({ "busybox" }, { nullable = true }),
    login = schema.record({
        type = schema.enum({ "busybox" }, { nullable = true }),
        login_prompt = schema.string({ default = "login:", filled = true }),
        username = schema.string({ nullable = true }),
        password = schema.string({ nullable = true, secret = true }),
        prompt = schema.string({ default = "#", filled = true }),
    }),
    default_target = schema.string({ nullable = true }),
    targets = schema.map(schema.string({ filled = true, check = check_target }), { required = true }),
    kernel = loaded_file({ required = true }),
    initram = loaded_file({ nullable = true, optional = true }),
    dtb = schema.record({
        default = schema.string({ required = true }),
        address = schema.address(),
        variants = schema.map(VARIANT, { required = true }),
    }, { nullable = true, optional = true, check = check_dtb }),
    preflash_commands = schema.list(command({}), { default = {}, nullable = true }),
}, { required = true, check = check_spec })

local MANIFEST = schema.record({
    apiVersion = schema.string({ required = true, check = check_version }),
    kind = schema.enum({ "FlashBundleManifest" }, { required = true }),
    metadata = schema.record({ name = schema.string({ required = true, filled = true }) }, { required = true }),
    spec = SPEC,
})

---The type of a manifest's tree, for jflash.schema.
M.schema = MANIFEST

local function refuse_choice(self, what, name, choices, whose)
    local text = #choices > 0 and table.concat(choices, ", ") or "none"
    errors.raise({
        class = "config",
        code = "unsupported",
        message = ("%s: no %s %s%s"):format(self.source, what, schema.quoted(name), nearest.hint(name, choices)),
        hint = ("%ss of this bundle%s: %s"):format(what, whose or "", text),
    })
end

---The variant `name`; unset: the bundle's default. Raises when it is unknown.
---@param name string?
---@return { name: string?, file: string?, bootcmd: string }
function Manifest:variant(name)
    local dtb = self.spec.dtb
    local chosen = name or dtb and dtb.default
    if not chosen then
        return { bootcmd = self.spec.bootcmd }
    end
    local variant = dtb and dtb.variants[chosen]
    if not variant then
        refuse_choice(self, "variant", chosen, dtb and schema.names(dtb.variants) or {})
    end
    return { name = chosen, file = variant.file, bootcmd = variant.bootcmd or self.spec.bootcmd }
end

---The path of the target `name`; unset: the bundle's default. Raises when it is
---unknown, or when there is neither.
---@param name string?
---@param own table<string, {path: string}>?  the board's own, which stand before these
---@return string path
---@return string name
function Manifest:target(name, own)
    local chosen = name or self.spec.default_target
    if not chosen then
        errors.raise({
            class = "config",
            code = "unsupported",
            message = self.source .. ": no target was named, and the bundle has no default_target",
            hint = "targets of this bundle: " .. table.concat(schema.names(self.spec.targets), ", "),
        })
    end
    local paths = {}
    for known, path in pairs(self.spec.targets) do
        paths[known] = path
    end
    for known, target in pairs(own or {}) do
        paths[known] = target.path
    end
    if not paths[chosen] then
        refuse_choice(self, "target", chosen, schema.names(paths), own and next(own) and " and board")
    end
    return paths[chosen], chosen
end

local function file_entry(self, role, key, file, address)
    local where = ("%s: %s"):format(self.positions[key], key)
    return { role = role, file = file, address = address, where = where }
end

local function base_files(self)
    local kernel, initram = self.spec.kernel, self.spec.initram
    local files = { file_entry(self, "kernel", "spec.kernel.file", kernel.file, kernel.address) }
    if initram then
        files[2] = file_entry(self, "initram", "spec.initram.file", initram.file, initram.address)
    end
    return files
end

local function dtb_entry(self, name)
    local key = ("spec.dtb.variants.%s.file"):format(name)
    return file_entry(self, "dtb", key, self.spec.dtb.variants[name].file, self.spec.dtb.address)
end

---Where U-Boot loads a role's file to; nil when the manifest does not say.
---@param role "kernel"|"initram"|"dtb"
---@return string?
function Manifest:address(role)
    return self.spec[role] and self.spec[role].address
end

---What U-Boot loads for the variant `name` (unset: the default), in order.
---@param name string?
---@return jflash.manifest.file[]
function Manifest:files(name)
    local variant = self:variant(name)
    local files = base_files(self)
    if variant.file then
        files[#files + 1] = dtb_entry(self, variant.name)
    end
    return files
end

---All files that the manifest names, those of every variant included.
---@return jflash.manifest.file[]
function Manifest:all_files()
    local files = base_files(self)
    local variants = self.spec.dtb and self.spec.dtb.variants or {}
    for _, name in ipairs(schema.names(variants)) do
        if variants[name].file then
            files[#files + 1] = dtb_entry(self, name)
        end
    end
    return files
end

-- Fills in what may be written in two places.
local function settle(spec)
    spec.login.type = spec.login.type or spec.shelltype or "busybox"
    spec.shelltype = spec.login.type
end

---Reads a manifest's text; `name` (its file) starts each message. Unknown keys are
---warnings, or errors with `strict`. Raises a config error.
---@param text string
---@param name string
---@param options { strict: boolean? }?
---@return jflash.manifest
function M.parse(text, name, options)
    local strict = options and options.strict
    local node, message, code = yaml.parse(text, name)
    errors.check("config", node, message, code)
    local value, info = schema.read(node, MANIFEST, { name = name, unknown = strict and "error" or "warning" })
    if value.apiVersion ~= API_VERSION then
        table.insert(info.warnings, ("%s: apiVersion: %s is newer than %s; read as that"):format(
            info.positions.apiVersion, schema.quoted(value.apiVersion), API_VERSION))
    end
    if strict then
        schema.raise(info.warnings)
    end
    settle(value.spec)
    return setmetatable({
        name = value.metadata.name,
        source = name,
        spec = value.spec,
        warnings = info.warnings,
        positions = info.positions,
    }, Manifest)
end

---Reads the manifest in the file `path`, as parse.
---@param path string
---@param options { strict: boolean? }?
---@return jflash.manifest
function M.load(path, options)
    local text, message, code = sys.read_file(path)
    errors.check("config", text, message, code)
    return M.parse(text, path, options)
end

return M
