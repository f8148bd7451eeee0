-- SPDX-License-Identifier: Apache-2.0
--
-- The documentation's Lua examples are Lua, its links lead somewhere, and its table
-- of steps is that of the stock recipe.
local sys = require("jflash.sys")

local ROOT = arg[0]:match("^(.*)tests/busted%.lua$")

local function documents()
    local names = { "README.md", "CHANGELOG.md" }
    for _, name in ipairs(assert(sys.list(ROOT .. "docs"))) do
        if name:find("%.md$") then
            table.insert(names, "docs/" .. name)
        end
    end
    return names
end

-- Calls `see(language, text, line)` for each fenced block.
local function each_block(text, see)
    local language, lines, first, number = nil, {}, nil, 0
    for line in (text .. "\n"):gmatch("(.-)\n") do
        number = number + 1
        local fence = line:match("^```(.*)$")
        if fence and not language then
            language, lines, first = fence, {}, number + 1
        elseif fence then
            see(language, table.concat(lines, "\n"), first)
            language = nil
        elseif language then
            table.insert(lines, line)
        end
    end
    assert.is_nil(language, "a block has no end")
end

describe("the documentation", function()
    it("has Lua examples that are Lua", function()
        local count = 0
        for _, name in ipairs(documents()) do
            each_block(assert(sys.read_file(ROOT .. name)), function(language, text, line)
                if language == "lua" then
                    count = count + 1
                    -- Line numbers of messages are those of the document.
                    assert(load(("\n"):rep(line - 1) .. text, "@" .. name, "t"))
                end
            end)
        end
        assert.is_true(count > 10)
    end)

    it("links to what exists", function()
        for _, name in ipairs(documents()) do
            local folder = name:match("^(.*/)") or ""
            for target in assert(sys.read_file(ROOT .. name)):gmatch("%]%(([^)#]+)[^)]*%)") do
                if not target:find("^%a+:") then
                    assert(sys.stat(ROOT .. folder .. target), name .. " links to " .. target)
                end
            end
        end
    end)

    it("describes the steps of the stock recipe", function()
        local text = assert(sys.read_file(ROOT .. "docs/recipes.md"))
        local described = {}
        for step in text:match("## The steps\n(.-)\n## "):gmatch("\n| `([%w_]+)` |") do
            table.insert(described, step)
        end
        assert.same(require("jflash.recipe.flash").order, described)
    end)

    it("has examples of recipes that are recipes", function()
        local text = assert(sys.read_file(ROOT .. "docs/recipes.md"))
        each_block(text, function(language, block)
            if language == "lua" then
                assert.is_true(require("jflash.recipe").is(assert(load(block))()))
            end
        end)
    end)
end)
