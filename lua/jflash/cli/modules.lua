-- SPDX-License-Identifier: Apache-2.0

local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local M = {}

function M.define(command)
    command:epilog("A file of the same name in a search directory replaces a built-in module.\n\n"
        .. "Example:\n  jflash modules")
end

-- The module's name, for a file of the stock Lua; nil for scripts and others.
local function module_of(file)
    local path = file:match("^lua/(.+)%.lua$")
    return path and path:gsub("/init$", ""):gsub("/", ".")
end

local function print_row(name, origin)
    sys.write(1, ("%-28s %s\n"):format(name, origin))
end

local function print_modules()
    for _, file in ipairs(runtime.embedded_names()) do
        local module = module_of(file)
        if module then
            print_row(module, package.searchpath(module, package.path) or "@builtin/" .. file)
        end
    end
    for _, name in ipairs(runtime.c_modules()) do
        print_row(name, "C")
    end
end

local function print_scripts()
    for _, file in ipairs(runtime.embedded_names()) do
        local script = file:match("^scripts/(.+)$")
        if script then
            print_row(script, "@builtin/" .. file)
        end
    end
end

function M.run()
    sys.write(1, "Search directories, the first match wins:\n")
    for _, directory in ipairs(runtime.directories()) do
        sys.write(1, "  " .. directory .. "\n")
    end
    sys.write(1, "\nModules:\n")
    print_modules()
    sys.write(1, "\nScripts:\n")
    print_scripts()
    return 0
end

return M
