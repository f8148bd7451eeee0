-- SPDX-License-Identifier: Apache-2.0
local errors = require("jflash.errors")
local schema = require("jflash.schema")
local yaml = require("jflash.yaml")

local function examine(text, type, unknown)
    return schema.examine(assert(yaml.parse(text, "f.yaml")), type, { name = "f.yaml", unknown = unknown })
end

-- One scalar: its value, or what was wrong with it.
local function one(type, text)
    local value, info = examine(text, type)
    return info.problems[1] and info.problems[1]:gsub("^f.yaml:1:1: ", "") or value
end

describe("jflash.schema", function()
    it("reads scalars by their type", function()
        local number = "expected an integer, found "
        local time = "expected a duration like 30, 1.5s or 2min, found "
        local size = "expected a size like 300M or 1G (powers of 1024), found "
        local address = "expected an address like 0x40400000, found "
        local cases = {
            { schema.string(), "a b", "a b" },
            { schema.string(), "12", "12" },
            { schema.string(), "true", "true" },
            { schema.string(), "''", "" },
            { schema.string(), "null", "expected text, found nothing" },
            { schema.string(), "'null'", "null" },
            { schema.string({ line = true }), "|\n  a b\n\n", "a b" },
            { schema.string({ line = true }), "|\n  a\n  b\n", "a\nb" },
            { schema.string(), '"\\0"', "expected text without zero bytes, found '?' in quotes" },
            { schema.string(), "[a]", "expected text, found a list" },
            { schema.string({ filled = true }), "''", "expected text that is not empty, found '' in quotes" },
            { schema.integer(), "10", 10 },
            { schema.integer(), "-10", -10 },
            { schema.integer(), "0x1F", 31 },
            { schema.integer(), "9223372036854775807", math.maxinteger },
            { schema.integer(), "9223372036854775808", number .. "'9223372036854775808'" },
            { schema.integer(), "0xfffffffffffffffff", number .. "'0xfffffffffffffffff'" },
            { schema.integer(), "010", number .. "'010'" },
            { schema.integer(), "1.0", number .. "'1.0'" },
            { schema.integer(), "'10'", number .. "'10' in quotes" },
            { schema.integer(), "", number .. "nothing" },
            { schema.integer(), "{a: b}", number .. "a map" },
            { schema.integer({ min = 1, max = 9 }), "0", "expected an integer from 1 to 9, found '0'" },
            { schema.integer({ min = 1 }), "0", "expected an integer of at least 1, found '0'" },
            { schema.integer({ max = 9 }), "10", "expected an integer of at most 9, found '10'" },
            { schema.number(), "1.5", 1.5 },
            { schema.number(), "-2", -2 },
            { schema.number(), "1e3", "expected a number, found '1e3'" },
            { schema.number(), ".nan", "expected a number, found '.nan'" },
            { schema.boolean(), "true", true },
            { schema.boolean(), "Off", false },
            { schema.boolean(), "no", false },
            { schema.boolean(), "'yes'", "expected true or false, found 'yes' in quotes" },
            { schema.boolean(), "1", "expected true or false, found '1'" },
            { schema.duration(), "2", 2.0 },
            { schema.duration(), "1.5s", 1.5 },
            { schema.duration(), "500ms", 0.5 },
            { schema.duration(), "2 min", 120.0 },
            { schema.duration(), "'1h'", 3600.0 },
            { schema.duration(), "-1", time .. "'-1'" },
            { schema.duration(), "1d", time .. "'1d'" },
            { schema.size(), "1073741824", 1 << 30 },
            { schema.size(), "1G", 1 << 30 },
            { schema.size(), "1.5K", 1536 },
            { schema.size(), "300MiB", 300 << 20 },
            { schema.size(), "2Gi", 2 << 30 },
            { schema.size(), "512B", 512 },
            { schema.size(), "1GB", size .. "'1GB'" },
            { schema.size(), "5i", size .. "'5i'" },
            { schema.size(), "1.3", size .. "'1.3'" },
            { schema.size(), "99999999999T", size .. "'99999999999T'" },
            { schema.size(), "big", size .. "'big'" },
            { schema.address(), "0x40400000", "0x40400000" },
            { schema.address(), "'0X4a'", "0X4a" },
            { schema.address(), "4096", "4096" },
            { schema.address(), "beef", address .. "'beef'" },
            { schema.address(), "0x" .. ("f"):rep(17), address .. "'0x" .. ("f"):rep(17) .. "'" },
            { schema.enum({ "a", "b" }), "b", "b" },
            { schema.enum({ "a", "b" }), "c", "expected one of a, b, found 'c'" },
        }
        for i, case in ipairs(cases) do
            local got = one(case[1], case[2])
            assert.equal(case[3], got, ("case %d: %s"):format(i, case[2]))
            assert.equal(math.type(case[3]), math.type(got), ("case %d: %s"):format(i, case[2]))
        end
    end)

    local point = schema.record({
        x = schema.integer({ required = true }),
        label = schema.string({ default = "none" }),
        note = schema.string({ nullable = true }),
        inner = schema.record({ deep = schema.integer({ default = 7 }) }),
        extra = schema.record({ must = schema.integer({ required = true }) }, { optional = true, nullable = true }),
        list = schema.list(schema.size(), { default = {} }),
        map = schema.map(schema.record({ y = schema.integer({ default = 1 }) }, { nullable = true })),
    })

    it("fills in defaults", function()
        local value, info = examine("x: 1", point)
        assert.same({ x = 1, label = "none", inner = { deep = 7 }, list = {} }, value)
        assert.same({}, info.problems)
        value = examine("x: 1\nnote: ~\nextra: null\nmap: {a: , b: {y: 2}}\nlist: [1K, 2]", point)
        assert.same({
            x = 1,
            label = "none",
            inner = { deep = 7 },
            list = { 1024, 2 },
            map = { a = { y = 1 }, b = { y = 2 } },
        }, value)
    end)

    it("does not share defaults between two values", function()
        local first = examine("x: 1", point)
        first.list[1] = "mine"
        assert.same({}, (examine("x: 1", point)).list)
    end)

    it("says where each key stands", function()
        local _, info = examine("x: 1\ninner:\n  deep: 2\nlist: [1, 2]", point)
        assert.equal("f.yaml:1:4", info.positions.x)
        assert.equal("f.yaml:3:9", info.positions["inner.deep"])
        assert.equal("f.yaml:4:11", info.positions["list[2]"])
        assert.is_nil(info.positions.label)
    end)

    it("finds all problems in one pass", function()
        local _, info = examine("x: a\nlabl: b\ninner: 3\nextra: {}\nlist: [1, two, {}]\nmap: {p: {z: 1}}", point)
        assert.same({
            "f.yaml:1:4: x: expected an integer, found 'a'",
            "f.yaml:2:1: labl: unknown key (did you mean 'label'?)",
            "f.yaml:3:8: inner: expected a map, found '3'",
            "f.yaml:4:8: extra.must: missing key",
            "f.yaml:5:11: list[2]: expected a size like 300M or 1G (powers of 1024), found 'two'",
            "f.yaml:5:16: list[3]: expected a size like 300M or 1G (powers of 1024), found a map",
            "f.yaml:6:11: map.p.z: unknown key (did you mean 'y'?)",
        }, info.problems)
    end)

    it("raises one config error with all problems", function()
        local ok, err = pcall(schema.read, yaml.parse("y: 1", "f.yaml"), point, { name = "f.yaml", path = "top" })
        assert.is_false(ok)
        assert.is_true(errors.is(err))
        assert.equal("config", err.class)
        assert.equal("f.yaml:1:1: top.y: unknown key (did you mean 'x'?)\nf.yaml:1:1: top.x: missing key", err.message)
        local many = {}
        for i = 1, 30 do
            many[i] = ("unknown%d: 1"):format(i)
        end
        ok, err = pcall(schema.read, yaml.parse(table.concat(many, "\n"), "f.yaml"), point, { name = "f.yaml" })
        assert.is_false(ok)
        assert.truthy(err.message:match("\nand 11 more$"))
    end)

    it("warns instead, when told, of unknown keys, and of deprecated ones always", function()
        local value, info = examine("x: 1\nlabl: b", point, "warning")
        assert.equal(1, value.x)
        assert.same({}, info.problems)
        assert.same({ "f.yaml:2:1: labl: unknown key (did you mean 'label'?)" }, info.warnings)
        value, info = examine("old: 1", schema.record({ old = schema.integer({ deprecated = "use 'new'" }) }))
        assert.equal(1, value.old)
        assert.same({ "f.yaml:1:1: old: use 'new'" }, info.warnings)
    end)

    it("runs checks on what is otherwise right", function()
        local even = schema.integer({
            check = function(value)
                return value % 2 == 1 and "is odd" or nil
            end,
        })
        local range = schema.record({ a = even, b = even }, {
            check = function(value)
                if value.a > value.b then
                    return "is above b", "a"
                end
            end,
        })
        local _, info = examine("a: 4\nb: 2", range)
        assert.same({ "f.yaml:1:4: a: is above b" }, info.problems)
        _, info = examine("a: 3\nb: 2", range)
        assert.same({ "f.yaml:1:4: a: is odd" }, info.problems)
        _, info = examine("a: 2\nb: 2", range)
        assert.same({}, info.problems)
    end)

    it("keeps what nobody declared, by YAML's core rules", function()
        local open = schema.record({ type = schema.string({ default = "none" }) }, { rest = schema.open() })
        local value = examine("a: 1\nb: [1.5, '1', 010, yes, true, ~, 0x10, {c: d}]\ne:", open)
        assert.same({ type = "none", a = 1, b = { 1.5, "1", "010", "yes", true, 16, { c = "d" } } }, value)
    end)

    it("wants simple names where they become file names", function()
        local map = schema.map(schema.integer(), { simple_names = true })
        local _, info = examine("a-1.b: 1\n../x: 2\n-y: 3\nz z: 4", map)
        local what = " is no name (letters, digits, and . _ - inside)"
        assert.same({
            "f.yaml:2:1: '../x'" .. what,
            "f.yaml:3:1: '-y'" .. what,
            "f.yaml:4:1: 'z z'" .. what,
        }, info.problems)
    end)

    it("shows no control characters and no endless texts", function()
        assert.equal("expected an integer, found '?[2J' in quotes", one(schema.integer(), '"\\e[2J"'))
        assert.equal(
            "expected an integer, found '" .. ("é"):rep(28) .. "...'",
            one(schema.integer(), ("é"):rep(70))
        )
    end)
end)
