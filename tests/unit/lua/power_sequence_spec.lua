-- SPDX-License-Identifier: Apache-2.0
--
-- Several power devices as one.
local config_check = require("jflash.config_check")
local support = require("tests.support.power")
local sys = require("jflash.sys")

describe("power by a sequence", function()
    local dir

    before_each(function()
        dir = assert(sys.temp_dir("jflash-test-"))
    end)

    after_each(function()
        assert(sys.remove_tree(dir))
    end)

    local function step(name, more)
        local one = { type = "command", on = ("echo on %s >>%s/log"):format(name, dir),
            off = ("echo off %s >>%s/log"):format(name, dir) }
        for key, value in pairs(more or {}) do
            one[key] = value
        end
        return one
    end

    local function open(steps)
        return support.open({ type = "sequence", steps = steps })
    end

    local function log()
        return (sys.read_file(dir .. "/log"))
    end

    it("switches on in order, with delays, and off the other way round", function()
        local power = open({ step("main", { delay_s = 0.05 }), step("io") })
        local began = require("jflash.job").now()
        power:on()
        assert.is_true(require("jflash.job").now() - began >= 0.05)
        power:off()
        assert.equal("on main\non io\noff io\noff main\n", log())
        assert.equal("power commands of board bench, then power commands of board bench", power.describe)
    end)

    it("switches all off behind one that fails, and tells of all that failed", function()
        local power = open({ step("main", { off = "exit 1" }), step("io", { off = "exit 2" }), step("fan") })
        local failure = support.failure_of(power.off, power)
        assert.equal("off fan\n", log())
        assert.truthy(failure.message:find("status 2 (3 tries); and power off:", 1, true), failure.message)
        assert.truthy(failure.message:find("status 1 (3 tries)", 1, true))
    end)

    it("is on or off when all are, and adds the watts", function()
        local state = function(word) return { state = "echo " .. word, read = "echo watts=2.5" } end
        assert.equal("on", open({ step("a", state("on")), step("b", state("on")) }):state())
        assert.equal("mixed", open({ step("a", state("on")), step("b", state("off")) }):state())
        assert.is_nil(open({ step("a", state("on")), step("b") }):state())
        assert.same({ watts = 5 }, open({ step("a", state("on")), step("b", state("on")) }):read())
        assert.is_nil(open({ step("a") }):read())
        -- One that stays on is found out by its own state.
        local power = open({ step("a", state("on")) })
        local failure = support.failure_of(power.off, power)
        assert.truthy(failure.message:find("says that it is on (3 tries)", 1, true), failure.message)
    end)

    it("checks the keys of each step, and shows no secret of one", function()
        local path = dir .. "/jflash.yaml"
        assert(sys.write_file(path, [[
boards:
  b:
    console: {device: /dev/ttyUSB0}
    power:
      type: sequence
      steps:
        - {type: command, on: a, off: b, delay_s: soon}
        - {type: http, preset: netio, host: h, password: hunter22}
        - {type: comand}
]]))
        assert(sys.chmod and sys.chmod(path, 384) or true)
        local report = config_check.report({ config = path })
        local problems = table.concat(report.files[1].boards[1].problems, "\n")
        assert.truthy(problems:find(":7:51: boards.b.power.steps[1].delay_s: expected a duration", 1, true), problems)
        assert.truthy(problems:find(":9:18: boards.b.power.steps[3].type: there is no power driver", 1, true), problems)
        for _, row in ipairs(report.files[1].boards[1].keys) do
            if row.key:find("password", 1, true) then
                assert.is_nil(row.value)
                assert.is_true(row.secret)
            end
        end
        assert.has_error(function() open({}) end)
    end)
end)
