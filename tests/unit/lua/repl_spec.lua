-- SPDX-License-Identifier: Apache-2.0
--
-- What the Lua prompt prints and completes.
local complete = require("jflash.complete")
local pretty = require("jflash.pretty")

describe("jflash.pretty", function()
    local circle = {}
    circle.me = circle

    for _, case in ipairs({
        { nil, "nil" },
        { "a\n", "a\n" },
        { 1.5, "1.5" },
        { {}, "{}" },
        { { 1, "a\n\27\"\1" }, '{ 1, "a\\n\\e\\"\\x01" }' },
        { { 1, 2, [4] = 4, a = true, ["b c"] = {} }, '{ 1, 2, [4] = 4, a = true, ["b c"] = {} }' },
        { { [1] = 1, [1.5] = 2, [true] = 3 }, "{ 1, [1.5] = 2, [true] = 3 }" },
        { { { { { 1 } } } }, "{ { { {…} } } }" },
        { circle, "{ me = {…} }" },
        { { print }, "{ function }" },
        { setmetatable({}, { __tostring = function() return "itself" end }), "itself" },
    }) do
        it("prints " .. case[2]:gsub("%c", "?"), function()
            assert.equal(case[2], pretty.text(case[1]))
        end)
    end

    it("gives long tables lines, and an end", function()
        local long = ("x"):rep(50)
        assert.equal(('{\n  a = "%s",\n  b = { "%s" }\n}'):format(long, long),
            pretty.text({ a = long, b = { long } }))
        local list = {}
        for index = 1, 60 do
            list[index] = index
        end
        local text = pretty.text(list)
        assert.truthy(text:find("50,\n  … (10 more)\n}", 1, true), text)
    end)
end)

describe("jflash.complete", function()
    local class = { method = print, field = 1 }
    class.__index = class
    local object = setmetatable({ own = class, other = 2, ["not a name"] = 3 }, class)
    local environment = setmetatable({ dut = object, file = io.stdout }, { __index = { dump = 1, print = print } })

    local function names(line)
        return table.concat(complete.names(environment, line), " ")
    end

    for _, case in ipairs({
        { "du", "dump dut" },
        { "x = dut.", "field method other own" },
        { "dut.o", "other own" },
        { "dut:", "method" },
        { "f(dut.own.me", "method" },
        { "dut.nothing.x", "" },
        { "dut.other.x", "" },
        { "file:se", "seek setvbuf" },
        { "whi", "while" },
        { "print(dut.field, ret", "return" },
        { "no", "not" },
    }) do
        it(("finds %q behind %q"):format(case[2], case[1]), function()
            assert.equal(case[2], names(case[1]))
        end)
    end

    it("inserts what is certain, and shows what is not", function()
        assert.equal("thod(", (complete.complete(environment, "dut:me")))
        assert.equal("nt(", (complete.complete(environment, "pri")))
        assert.equal("eld", (complete.complete(environment, "dut.fi")))
        local insert, list = complete.complete(environment, "dut.o")
        assert.is_nil(insert)
        assert.equal("other  own\n", list)
        assert.is_nil(complete.complete(environment, "dut.zzz"))
    end)

    it("survives objects that fail when they are asked", function()
        local angry = setmetatable({}, { __index = function() error("no") end })
        assert.same({}, (complete.names({ angry = angry }, "angry.x.y")))
    end)
end)
