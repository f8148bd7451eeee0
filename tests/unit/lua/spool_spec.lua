-- SPDX-License-Identifier: Apache-2.0
local job = require("jflash.job")
local sys = require("jflash.sys")

describe("sys.spool", function()
    local dir

    before_each(function()
        dir = assert(sys.temp_dir("jflash-spool"))
    end)

    after_each(function()
        sys.remove_tree(dir)
    end)

    local function spool_from(command)
        local program = assert(sys.process_exe(sys.pid()))
        local script = dir .. "/spool.lua"
        assert(sys.write_file(script, [[
            local sys = require("jflash.sys")
            local bytes, message, code = sys.spool(0, arg[1])
            print(bytes or (code .. ": " .. message))
        ]]))
        return sys.run({ "sh", "-c", ("%s | '%s' run '%s' '%s/out'"):format(command, program, script, dir) })
    end

    it("copies standard input to its end", function()
        local result = spool_from("head -c 1000000 /dev/zero")
        assert.equal("1000000\n", result.stdout)
        assert.equal(1000000, sys.stat(dir .. "/out").size)
        assert.equal(0x180, sys.stat(dir .. "/out").mode & 0x1ff)
    end)

    it("replaces no file", function()
        assert(sys.write_file(dir .. "/out", "mine"))
        local result = spool_from("echo other")
        assert.truthy(result.stdout:find("^io: .*/out: open: File exists"))
        assert.equal("mine", sys.read_file(dir .. "/out"))
    end)

    it("leaves no file when it is cancelled", function()
        job.cancel(2)
        local bytes, message, code = sys.spool(0, dir .. "/out")
        job.reset()
        assert.is_nil(bytes)
        assert.equal("cancelled", code)
        assert.truthy(message:find("cancelled by SIGINT"))
        assert.is_nil(sys.stat(dir .. "/out"))
    end)
end)
