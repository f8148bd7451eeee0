-- SPDX-License-Identifier: Apache-2.0
local sys = require("jflash.sys")

local PROGRAM = assert(sys.realpath(os.getenv("JFLASH_PROGRAM") or "build/asan/jflash"))

local SCRIPT = [[
    local xdg = require("jflash.xdg")
    for _, kind in ipairs({ "cache", "config", "data", "state" }) do
        print(xdg.folder(kind))
    end
    local ok, failure = pcall(xdg.need, "state", "the log", "name one")
    print(ok and failure or ("%s: %s (%s)"):format(failure.class, failure.message, failure.hint))
]]

describe("jflash.xdg", function()
    local script

    setup(function()
        script = assert(sys.temp_dir()) .. "/script.lua"
        assert(sys.write_file(script, SCRIPT))
    end)

    teardown(function()
        sys.remove_tree(script:match("^(.*)/"))
    end)

    local function folders(env)
        for _, name in ipairs({ "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME" }) do
            env[name] = env[name] or false
        end
        local result = assert(sys.run({ PROGRAM, "run", script }, { env = env, timeout_s = 30 }))
        assert.equal(0, result.status, result.stderr)
        return result.stdout
    end

    it("finds the folders in the home folder", function()
        assert.equal("/h/.cache/jflash\n/h/.config/jflash\n/h/.local/share/jflash\n/h/.local/state/jflash\n"
            .. "/h/.local/state/jflash\n", folders({ HOME = "/h" }))
    end)

    it("takes a variable before the home folder, when its path is absolute", function()
        assert.equal("/c/jflash\n/h/.config/jflash\n/d/jflash\n/s/jflash\n/s/jflash\n",
            folders({ HOME = "/h", XDG_CACHE_HOME = "/c", XDG_CONFIG_HOME = "c", XDG_DATA_HOME = "/d",
                XDG_STATE_HOME = "/s" }))
    end)

    it("says what is not set when there is no place", function()
        assert.equal("nil\nnil\nnil\nnil\n"
            .. "host: no place for the log: neither XDG_STATE_HOME nor HOME is set (name one)\n",
            folders({ HOME = "here" }))
    end)
end)
