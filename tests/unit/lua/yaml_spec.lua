-- SPDX-License-Identifier: Apache-2.0
local yaml = require("jflash.yaml")

-- A node as plain values, without positions.
local function plain(node)
    local value = {}
    if node.kind == "scalar" then
        return node.text
    elseif node.kind == "list" then
        for i, item in ipairs(node.items) do
            value[i] = plain(item)
        end
    else
        for _, entry in ipairs(node.entries) do
            value[entry.key] = plain(entry.value)
        end
    end
    return value
end

local function fails(text, code, message)
    local node, got, got_code = yaml.parse(text, "x.yaml")
    assert.is_nil(node)
    assert.equal(message, got)
    assert.equal(code, got_code)
end

describe("jflash.yaml", function()
    it("gives values and where they stand", function()
        local node = yaml.parse("a: 1\nbé: [x, 'y']\n", "x.yaml")
        assert.same({
            kind = "map",
            line = 1,
            column = 1,
            entries = {
                {
                    key = "a",
                    key_line = 1,
                    key_column = 1,
                    value = { kind = "scalar", line = 1, column = 4, text = "1", plain = true },
                },
                {
                    key = "bé",
                    key_line = 2,
                    key_column = 1,
                    value = {
                        kind = "list",
                        line = 2,
                        column = 5,
                        items = {
                            { kind = "scalar", line = 2, column = 6, text = "x", plain = true },
                            { kind = "scalar", line = 2, column = 9, text = "y", plain = false },
                        },
                    },
                },
            },
        }, node)
    end)

    it("reads what is allowed", function()
        local cases = {
            { "", "" },
            { "# nothing\n", "" },
            { "---\n", "" },
            { "a:\n", { a = "" } },
            { "\xef\xbb\xbfa: b", { a = "b" } },
            { "%YAML 1.1\n---\na: b\n...\n", { a = "b" } },
            { "a: |\n  x\n  y\nb: >-\n  x\n  y\n", { a = "x\ny\n", b = "x y" } },
            { 'a: "\\x1b\\0"', { a = "\27\0" } },
            { "a: &x [1]\nb: *x", { a = { "1" }, b = { "1" } } },
            { "a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}", { a = { p = "1", q = "2" }, b = { p = "1", q = "3" } } },
            { "a: {<<: [{p: 1}, {p: 2, q: 2}], r: 0}", { a = { p = "1", q = "2", r = "0" } } },
            { "a: &x {p: 1}\nb: {<<: [*x, *x]}", { a = { p = "1" }, b = { p = "1" } } },
            { "a: {'<<': 1}", { a = { ["<<"] = "1" } } },
            { "&k a: &k 1\nb: *k", { a = "1", b = "1" } },
        }
        for _, case in ipairs(cases) do
            assert.same(case[2], plain(assert(yaml.parse(case[1], "x.yaml"))))
        end
        assert.equal(1, yaml.parse("\xef\xbb\xbfa: b", "x.yaml").entries[1].key_column)
    end)

    it("says where and why it refuses", function()
        fails("a: 1\nb: 2\na: 3", "protocol", "x.yaml:3:1: mapping key 'a' appears twice")
        fails("&k a: 1\n*k : 2", "protocol", "x.yaml:2:1: mapping key 'a' appears twice")
        fails("a: {<<: {}, <<: {}}", "protocol", "x.yaml:1:13: mapping key '<<' appears twice")
        fails("a: {<<: 1}", "protocol", "x.yaml:1:9: '<<' merges maps only")
        fails("--- a\n--- b", "unsupported", "x.yaml:2:5: a second document starts here; one is expected")
        fails("a: !x b", "unsupported", "x.yaml:1:4: tag '!x' is not supported; write the value without it")
        fails("a: !x [b]", "unsupported", "x.yaml:1:4: tag '!x' is not supported; write the value without it")
        fails("a: *b", "protocol", "x.yaml:1:4: alias 'b' has no finished anchor before it")
        fails("a: &b [*b]", "protocol", "x.yaml:1:8: alias 'b' has no finished anchor before it")
        fails("[a]: b", "protocol", "x.yaml:1:1: a mapping key must be a single word or text")
        fails("&x [a]: b", "protocol", "x.yaml:1:1: a mapping key must be a single word or text")
        fails("a: b: c", "protocol", "x.yaml:1:5: mapping values are not allowed in this context")
        fails("é: \xff", "protocol", "x.yaml:1:4: invalid leading UTF-8 octet")
        fails("a\nb\1", "protocol", "x.yaml:2:2: control characters are not allowed")
        fails("\xff\xfea\0", "protocol", "x.yaml:1:1: invalid leading UTF-8 octet")
        fails(
            "a: [1,\n2\n",
            "protocol",
            "x.yaml:3:1: did not find expected ',' or ']' while parsing a flow sequence that starts at line 1"
        )
    end)

    it("shows no control characters of the document, and no half characters", function()
        fails('"\\e[2J": 1\n"\\e[2J": 2', "protocol", "x.yaml:2:1: mapping key '?[2J' appears twice")
        local key = ("é"):rep(40)
        local _, message = yaml.parse(("x%s: 1\nx%s: 2"):format(key, key), "x.yaml")
        assert.truthy(utf8.len(message))
    end)

    it("has limits", function()
        local laughs = { "a0: &a0 [x, x, x, x, x, x, x, x, x, x]" }
        for i = 1, 6 do
            local items = ("*a" .. i - 1 .. ", "):rep(10)
            table.insert(laughs, ("a%d: &a%d [%s]"):format(i, i, items))
        end
        local anchors = {}
        for i = 1, 257 do
            table.insert(anchors, ("- &a%d x"):format(i))
        end
        local nested = "a: &a " .. ("["):rep(40) .. ("]"):rep(40) .. "\nb: " .. ("["):rep(30) .. "*a" .. ("]"):rep(30)
        local text = "- &a '" .. ("x"):rep(100000) .. "'\n" .. ("- *a\n"):rep(50)
        local cases = {
            { ("["):rep(70), "x.yaml:1:65: nested deeper than 64 levels" },
            { nested, "x.yaml:2:34: nested deeper than 64 levels" },
            { table.concat(laughs, "\n"), "x.yaml:5:30: more than 50000 values, aliases followed" },
            { text, "x.yaml:42:3: more than 4 MiB of text, aliases followed" },
            { table.concat(anchors, "\n"), "x.yaml:257:3: more than 256 anchors" },
            { ("%TAG !a! x\n"):rep(17), "x.yaml:17:1: more than 16 times %TAG" },
            { (" "):rep(1048577), "x.yaml: 1048577 bytes of YAML, the limit is 1 MiB" },
        }
        for _, case in ipairs(cases) do
            fails(case[1], "limit", case[2])
        end
        assert.truthy(yaml.parse(("["):rep(64) .. ("]"):rep(64), "x.yaml"))
    end)

    it("raises on misuse", function()
        assert.has_error(function()
            yaml.parse("a")
        end)
        assert.has_error(function()
            yaml.parse(nil, "x")
        end)
    end)
end)
