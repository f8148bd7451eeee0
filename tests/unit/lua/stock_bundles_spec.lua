-- SPDX-License-Identifier: Apache-2.0
--
-- The manifests and examples in bundles/ agree with each other, with the schema, and
-- with what is in the program.
local config = require("jflash.config")
local manifest = require("jflash.manifest")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local folder = arg[0]:match("^(.*)tests/busted%.lua$") .. "bundles/"
local VENDORS = { "nxp-s32g3", "rcar-s4", "ti-j784s4" }
-- U-Boot cuts a line of more (CONFIG_SYS_CBSIZE), the frame of a command included.
local LONGEST_COMMAND = 460

-- Every manifest, by its path below bundles/.
local function manifests()
    local found = {}
    for _, name in ipairs(sys.list(folder)) do
        for _, file in ipairs(sys.list(folder .. name) or {}) do
            if file:find("^manifest.*%.yaml$") then
                found[name .. "/" .. file] = manifest.load(folder .. name .. "/" .. file, { strict = true })
            end
        end
    end
    return found
end

-- The addresses that a boot command names, as numbers.
local function addresses(command)
    local found = {}
    for digits in command:gmatch("0x(%x+)") do
        found[tonumber(digits, 16)] = true
    end
    return found
end

describe("the stock manifests", function()
    it("are sound, and in the program", function()
        local count = 0
        for path in pairs(manifests()) do
            assert.equal(sys.read_file(folder .. path), runtime.embedded("bundles/" .. path), path)
            count = count + 1
        end
        assert.equal(6, count)
    end)

    it("have boot commands that U-Boot's line holds, and that name what was loaded", function()
        for path, m in pairs(manifests()) do
            for name in pairs(m.spec.dtb.variants) do
                local variant = m:variant(name)
                local named = addresses(variant.bootcmd)
                assert.is_true(#variant.bootcmd <= LONGEST_COMMAND, path)
                for _, file in ipairs(m:files(name)) do
                    assert.is_true(named[tonumber(file.address)], ("%s: %s: %s"):format(path, name, file.role))
                end
            end
        end
    end)

    it("of vendors' boards take a device tree of one's own", function()
        for _, name in ipairs(VENDORS) do
            local m = manifests()[name .. "/manifest.yaml"]
            local address = tonumber(m:address("dtb"))
            assert.is_true(addresses(m:variant("custom").bootcmd)[address], name)
        end
    end)
end)

describe("the examples of boards", function()
    it("name bundles, targets and variants that exist", function()
        for _, name in ipairs(VENDORS) do
            local path = folder .. name .. "/example.yaml"
            local m = manifests()[name .. "/manifest.yaml"]
            for _, entry in ipairs(config.boards({ config = path })) do
                if entry.source == path then
                    local board = config.board(entry.name, { config = path })
                    assert.equal(name, board.bundle)
                    m:variant(board.variant)
                    for target in pairs(board.targets) do
                        assert.truthy(m.spec.targets[target], target)
                    end
                end
            end
        end
    end)
end)

describe("jflash bundle check", function()
    local function check(...)
        local program = assert(sys.process_exe(sys.pid()))
        return sys.run({ program, "bundle", "check", ... }, {
            env = { HOME = "/nonexistent", XDG_DATA_HOME = "/nonexistent" },
        })
    end

    it("says of a manifest alone what it has not looked for", function()
        local result = check(folder .. "rcar-s4/manifest.yaml")
        assert.equal(0, result.status)
        assert.truthy(result.stderr:find("manifest rcar-s4 is sound; not looked for: data/flasher.itb", 1, true))
    end)

    it("says of a stock bundle that was not built that it was not", function()
        local result = check("nxp-s32g3")
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("build.sh makes, and has not made here: data/flasher.itb", 1, true))
        assert.is_nil(result.stderr:find("bundle nxp-s32g3 is sound", 1, true))
    end)

    it("refuses a folder without the files, and a name that nothing has", function()
        local result = check(folder .. "nxp-s32g3")
        assert.equal(2, result.status)
        assert.truthy(result.stderr:find("'data/flasher.itb' is not in the bundle", 1, true))
        result = check("nosuch")
        assert.equal(2, result.status)
        assert.truthy(result.stderr:find('the bundle "nosuch" is in none of', 1, true))
    end)
end)
