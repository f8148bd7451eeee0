-- SPDX-License-Identifier: Apache-2.0
local errors = require("jflash.errors")
local job = require("jflash.job")
local recipes = require("jflash.recipe")
local reports = require("jflash.report")

require("jflash.log").configure({ quiet = true })

-- A recipe of two steps that notes what it does.
local function noting()
    local done = {}
    local recipe = recipes.new({ "power_cycle", "load", "write", "verify" })
    for _, name in ipairs(recipe.order) do
        recipe[name] = function()
            table.insert(done, name)
        end
    end
    return recipe, done
end

local function dut(retries)
    return { options = { retries = retries or 0 }, report = reports.new() }
end

-- A step that fails with `fields` the first `times` times.
local function failing(done, name, times, fields)
    local left = times
    return function()
        table.insert(done, name)
        left = left - 1
        if left >= 0 then
            local copy = {}
            for key, value in pairs(fields) do
                copy[key] = value
            end
            errors.raise(copy)
        end
    end
end

describe("a recipe", function()
    local sleep, slept = job.sleep, nil

    before_each(function()
        slept = {}
        job.sleep = function(seconds) -- luacheck: ignore 122
            table.insert(slept, seconds)
            return true
        end
    end)

    after_each(function()
        job.sleep = sleep -- luacheck: ignore 122
    end)

    it("waits twice as long before each further try", function()
        local recipe, done = noting()
        recipe.load = failing(done, "load", 3, { class = "board", code = "x", message = "m", at = "uboot" })
        recipe:run(dut(3))
        assert.same({ 1, 2, 4 }, slept)
    end)

    it("does its steps in order, with what stands before and behind them", function()
        local recipe, done = noting()
        recipe:before("load", function()
            table.insert(done, "before load")
        end)
        recipe:after("load", function()
            table.insert(done, "after load")
        end)
        recipe:run(dut())
        assert.same({ "power_cycle", "before load", "load", "after load", "write", "verify" }, done)
    end)

    it("that derives with another order does those steps alone", function()
        local recipe, done = noting()
        local child = recipe:derive({ "load", "read" }, "dump")
        function child.read()
            table.insert(done, "read")
        end
        child:run(dut())
        assert.same({ "load", "read" }, done)
        assert.same({ "dump", "flash" }, { child.command, recipe.command })
        assert.has_error(function()
            function child.write() end
        end)
    end)

    it("over another one keeps what was changed there", function()
        local stock, done = noting()
        local command = stock:derive({ "power_cycle", "load", "read" }, "dump")
        function command.read()
            table.insert(done, "read")
        end
        local board = stock:derive()
        function board.load()
            table.insert(done, "the board's load")
        end
        board:after("load", function() table.insert(done, "after load") end)
        board:after("write", function() table.insert(done, "never") end)
        command:before("read", function() table.insert(done, "before read") end)
        local both = command:over(board)
        both:run(dut())
        assert.same({ "power_cycle", "the board's load", "after load", "before read", "read" }, done)
        assert.equal("dump", both.command)
        done[1] = nil
        command:run(dut())
        assert.equal("read", done[#done])
    end)

    it("is not changed by what derives from it", function()
        local recipe, done = noting()
        local child = recipe:derive()
        function child.load()
            table.insert(done, "child's load")
        end
        child:after("write", function()
            table.insert(done, "child's after")
        end)
        recipe:run(dut())
        assert.same({ "power_cycle", "load", "write", "verify" }, done)
        assert.is_true(recipes.is(child))
    end)

    it("refuses a step that it does not have", function()
        local recipe = noting()
        local ok, failure = pcall(function()
            recipe.laod = function() end
        end)
        assert.is_false(ok)
        assert.equal("config", failure.class)
        assert.truthy(failure.message:find("did you mean 'load'", 1, true))
        assert.has_error(function()
            recipe:after("boot", print)
        end)
    end)

    local cases = {
        { "board", {}, { "power_cycle", "load", "power_cycle", "load" } },
        { "board", { at = "uboot" }, { "power_cycle", "load", "load" } },
        { "board", { at = "shell" }, { "power_cycle", "load", "load" } },
        { "board", { retry = 0 }, { "power_cycle", "load" }, true },
        { "image", {}, { "power_cycle", "load" }, true },
        { "config", {}, { "power_cycle", "load" }, true },
        { "host", {}, { "power_cycle", "load" }, true },
        { "source", {}, { "power_cycle", "load" }, true },
        { "source", { code = "protocol" }, { "power_cycle", "load" }, true },
        { "source", { code = "checksum" }, { "power_cycle", "load" }, true },
        { "source", { code = "network" }, { "power_cycle", "load", "load", "write" } },
        { "source", { code = "timeout" }, { "power_cycle", "load", "load", "write" } },
        { "source", { code = "closed" }, { "power_cycle", "load", "load", "write" } },
        { "source", { code = "network", retry = 0 }, { "power_cycle", "load" }, true },
    }

    for _, case in ipairs(cases) do
        local class, fields, expected, final = table.unpack(case)
        it(("repeats what a failure of class %s (at %s, retry %s, code %s) needs"):format(class,
            tostring(fields.at), tostring(fields.retry), tostring(fields.code)), function()
            local recipe, done = noting()
            recipe.load = failing(done, "load", 1, { class = class, code = fields.code or "x", message = "m",
                at = fields.at, retry = fields.retry })
            local ok, failure = pcall(recipe.run, recipe, dut(1))
            assert.equal(not final, ok)
            assert.same(expected, { table.unpack(done, 1, #expected) })
            if final then
                assert.equal("load", failure.step)
                assert.equal(#expected, #done)
            end
        end)
    end

    it("writes again when the read-back differs, once", function()
        local recipe, done = noting()
        recipe.verify = failing(done, "verify", 9, { class = "board", code = "checksum", message = "m",
            at = "shell", retry = 1 })
        local ok = pcall(recipe.run, recipe, dut(3))
        assert.is_false(ok)
        assert.same({ "power_cycle", "load", "write", "verify", "write", "verify" }, done)
    end)

    it("writes again when the read-back differs, also behind another failure", function()
        local recipe, done = noting()
        recipe.load = failing(done, "load", 1, { class = "board", code = "x", message = "m", at = "uboot" })
        recipe.verify = failing(done, "verify", 1, { class = "board", code = "checksum", message = "m",
            at = "shell", retry = 1 })
        recipe:run(dut(3))
        assert.same({ "power_cycle", "load", "load", "write", "verify", "write", "verify" }, done)
    end)

    it("gives each thing that fails tries of its own", function()
        local recipe, done = noting()
        local left = { "image", "image2" }
        function recipe.verify()
            table.insert(done, "verify")
            local subject = table.remove(left, 1)
            if subject then
                errors.raise({ class = "board", code = "checksum", message = "m", at = "shell", retry = 1,
                    subject = subject })
            end
        end
        recipe:run(dut(3))
        assert.same({ "power_cycle", "load", "write", "verify", "write", "verify", "write", "verify" }, done)
    end)

    it("turns an error in a user's Lua into one with a traceback", function()
        local recipe = noting()
        function recipe.write()
            error("mistake")
        end
        local ok, failure = pcall(recipe.run, recipe, dut(3))
        assert.is_false(ok)
        assert.equal("bug", failure.class)
        assert.equal("write", failure.step)
        assert.truthy(failure.traceback:find("recipe_spec.lua", 1, true))
    end)

    it("has an order of its own, also over a recipe that was changed", function()
        local recipe, done = noting()
        local short = recipe:derive({ "power_cycle", "serve" }, "other-command")
        function short.serve()
            table.insert(done, "serve")
        end
        short:after("serve", function() table.insert(done, "behind") end)
        local mine = recipe:derive()
        function mine.power_cycle()
            table.insert(done, "my power_cycle")
        end
        mine:before("power_cycle", function() table.insert(done, "before") end)
        short:over(mine):run(dut())
        assert.same({ "before", "my power_cycle", "serve", "behind" }, done)
        assert.equal("flash", mine.command)
        assert.equal("other-command", short:over(mine).command)
        assert.has_error(function() short:derive().load = print end)
    end)

    it("goes back to the power where the step to repeat is none of its own", function()
        local recipe, done = noting()
        local short = recipe:derive({ "power_cycle", "serve" })
        short.serve = failing(done, "serve", 1, { class = "board", code = "x", message = "m", at = "uboot" })
        short:run(dut(1))
        assert.same({ "power_cycle", "serve", "power_cycle", "serve" }, done)
    end)
end)
