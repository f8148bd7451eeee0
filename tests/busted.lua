-- SPDX-License-Identifier: Apache-2.0
--
-- Runs busted inside the jflash binary:
--   jflash run tests/busted.lua [busted's options] PATH…
-- Specs therefore see the very modules that users see. busted and its libraries
-- are Debian's; jflash itself loads no C library, so the searcher for those is
-- put back here.

package.path = package.path .. ";/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua"

local function multiarch_dir()
    local listing = "/usr/lib/%s/lua/5.4/?.so"
    for _, triplet in ipairs({ "x86_64-linux-gnu", "aarch64-linux-gnu" }) do
        local place = listing:format(triplet)
        if package.searchpath("lfs", place) then
            return place
        end
    end
    error("lua-filesystem for Lua 5.4 is not installed")
end

local libraries = multiarch_dir()

table.insert(package.searchers, function(name)
    local path, tried = package.searchpath(name, libraries)
    if not path then
        return tried
    end
    return assert(package.loadlib(path, "luaopen_" .. name:gsub("%.", "_"))), path
end)

-- Helpers of the tests themselves: require("tests.support.…").
local root = arg[0]:match("^(.*)/tests/[^/]*$") or "."
package.path = package.path .. ";" .. root .. "/?.lua;" .. root .. "/?/init.lua"

require("busted.runner")({ standalone = false })
