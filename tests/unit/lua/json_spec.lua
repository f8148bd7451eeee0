-- SPDX-License-Identifier: Apache-2.0
local json = require("jflash.json")

describe("jflash.json", function()
    it("encodes", function()
        local cyclic_free = { 1 }
        local cases = {
            { { b = 1, a = "é\n", [" "] = true }, '{" ":true,"a":"é\\n","b":1}' },
            { { 1, 2.0, -3, 0.1 }, "[1,2.0,-3,0.1]" },
            { 1 / 3, "0.33333333333333331" },
            { math.maxinteger, "9223372036854775807" },
            { {}, "{}" },
            { setmetatable({}, json.array), "[]" },
            { setmetatable({ "x" }, { __name = "other" }), '["x"]' },
            { { json.null, false }, "[null,false]" },
            { "a\0b", '"a\\u0000b"' },
            { { cyclic_free, cyclic_free }, "[[1],[1]]" },
        }
        for _, case in ipairs(cases) do
            assert.equal(case[2], json.encode(case[1]))
        end
        assert.equal('{\n  "a": [\n    1\n  ]\n}', json.encode({ a = { 1 } }, { pretty = true }))
    end)

    it("decodes, and tells arrays from objects", function()
        local value = json.decode('{"a":[1,2.5],"b":"x\\u0000y","c":null}')
        assert.same({ a = { 1, 2.5 }, b = "x\0y", c = json.null }, value)
        assert.equal("integer", math.type(json.decode("3")))
        assert.equal("float", math.type(json.decode("3.0")))
        for _, text in ipairs({ "[]", "{}", '{"a":[],"b":{}}', "[null]", "true", '""' }) do
            assert.equal(text, json.encode(json.decode(text)))
        end
    end)

    it("refuses what is not JSON, with line and column", function()
        local cases = {
            { '{"a":1,\n"a":2}', "m:2:3: duplicate object key near '\"a\"'" },
            { "[1,", "m:1:3: ']' expected near end of file" },
            { "", "m:1:0: unexpected token near end of file" },
            { "1 2", "m:1:3: end of file expected near '2'" },
            { '"\xff"', "m:1:1: unable to decode byte 0xff near '\"'" },
        }
        for _, case in ipairs(cases) do
            local value, message, code = json.decode(case[1], "m")
            assert.is_nil(value)
            assert.equal(case[2], message)
            assert.equal("protocol", code)
        end
        local _, _, code = json.decode(("["):rep(5000))
        assert.equal("protocol", code)
    end)

    it("raises on what JSON cannot hold", function()
        local cycle, deep = {}, {}
        cycle.a = { cycle }
        for _ = 1, 300 do
            deep = { deep }
        end
        local cases = {
            { cycle, "contains itself" },
            { deep, "deeper than 256 levels" },
            { { 1, a = 2 }, "neither a sequence nor an object" },
            { { 1, nil, 3, [7] = 1 }, "neither a sequence nor an object" },
            { setmetatable({ a = 1 }, json.array), "neither a sequence nor an object" },
            { { [{}] = 1 }, "a key is a table" },
            { { [2] = 1 }, "a key is a number" },
            { { ["a\0"] = 1 }, "zero byte" },
            { { ["\xff"] = 1 }, "UTF%-8" },
            { "\xff", "UTF%-8" },
            { { 0 / 0 }, "NaN" },
            { { math.huge }, "infinity" },
            { { print }, "a function has no JSON form" },
            { nil, "has no JSON form" },
        }
        for i, case in ipairs(cases) do
            local ok, message = pcall(json.encode, case[1])
            assert.is_false(ok, "case " .. i)
            assert.truthy(message:find(case[2]), message)
        end
        assert.has_error(function()
            json.encode({}, { prety = true })
        end, "bad argument #2: unknown option 'prety'")
    end)
end)
