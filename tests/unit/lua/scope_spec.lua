-- SPDX-License-Identifier: Apache-2.0
local errors = require("jflash.errors")
local job = require("jflash.job")
local scopes = require("jflash.scope")

describe("a scope", function()
    it("cleans up in reverse order, on every way out", function()
        local done = {}
        local ok = pcall(function()
            local scope <close> = scopes.new()
            for index = 1, 3 do
                scope:defer("step", function()
                    table.insert(done, index)
                end)
            end
            error("out")
        end)
        assert.is_false(ok)
        assert.same({ 3, 2, 1 }, done)
    end)

    it("appends a clean-up that fails to the first error, and goes on", function()
        local cleaned = false
        local ok, failure = pcall(function()
            local scope <close> = scopes.new()
            scope:defer("close the door", function()
                cleaned = true
            end)
            scope:defer("switch the power off", function()
                errors.raise({ class = "host", message = "the relay is gone" })
            end)
            errors.raise({ class = "board", message = "no prompt" })
        end)
        assert.is_false(ok)
        assert.equal("no prompt", failure.message)
        assert.equal("board", failure.class)
        assert.same({ "switch the power off: the relay is gone" }, failure.cleanup)
        assert.is_true(cleaned)
    end)

    it("fails by its clean-up when nothing else did", function()
        local ok, failure = pcall(function()
            local scope <close> = scopes.new()
            scope:defer("switch the power off", function()
                errors.raise({ class = "host", message = "the relay is gone" })
            end)
        end)
        assert.is_false(ok)
        assert.equal("switch the power off: the relay is gone", failure.message)
        assert.equal(4, errors.status(failure))
    end)

    it("lets a clean-up wait although the job was cancelled", function()
        local waited
        job.cancel(15)
        do
            local scope <close> = scopes.new()
            scope:defer("wait", function()
                waited = job.sleep(0.01)
            end)
        end
        job.reset()
        assert.is_true(waited)
    end)

    it("does not do what was finished or taken back", function()
        local done = {}
        do
            local scope <close> = scopes.new()
            local first = scope:defer("first", function()
                table.insert(done, "first")
            end)
            local second = scope:defer("second", function()
                table.insert(done, "second")
            end)
            scope:finish(first)
            scope:cancel(second)
        end
        assert.same({ "first" }, done)
    end)
end)
