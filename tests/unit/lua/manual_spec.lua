-- SPDX-License-Identifier: Apache-2.0
--
-- The manual page and the shells' completion against what they describe.
local cli = require("jflash.cli")
local sys = require("jflash.sys")

local program = sys.process_exe(sys.pid())

local function output(argv, options)
    local result = assert(sys.run(argv, options or { timeout_s = 60 }))
    assert.equal(0, result.status, result.stderr)
    return result.stdout, result.stderr
end

local function manual()
    return (output({ program, "run", "cmake/manual.lua" }))
end

local function has(text, what)
    assert.truthy(text:find(what, 1, true), what .. " is missing")
end

-- As roff has it.
local function escaped(text)
    return (text:gsub("%-", "\\-"))
end

describe("the manual page", function()
    it("has every command with every option", function()
        local page = manual()
        for _, command in ipairs(cli.parser()._commands) do
            has(page, ".SS " .. escaped(command._name))
            for _, option in ipairs(command._options) do
                local names = table.concat(option._aliases, ", ")
                if names ~= "-h, --help" then
                    has(page, ".B " .. escaped(names))
                end
            end
        end
    end)

    it("has the options that stand before a command", function()
        local page = manual()
        local before = page:sub(assert(page:find(".SH OPTIONS", 1, true)), page:find(".SH COMMANDS", 1, true))
        for _, option in ipairs({ "-b, --board NAME", "--config FILE", "--version" }) do
            has(before, ".B " .. escaped(option) .. "\n")
        end
    end)

    it("has every variable of the environment that the code asks for", function()
        local page = manual()
        local names = output({ "grep", "-rhoE", 'getenv\\("[A-Z_]+"\\)', "lua", "src" })
        for name in names:gmatch('"([A-Z_]+)"') do
            has(page, ".B " .. name .. "\n")
        end
    end)

    it("is proper roff", function()
        local path = assert(sys.temp_dir("manual-"))
        assert(sys.write_file(path .. "/jflash.1", manual()))
        local _, complaints = output({ "groff", "-ww", "-z", "-man", path .. "/jflash.1" })
        assert(sys.remove_tree(path))
        assert.equal("", complaints)
    end)
end)

describe("completion", function()
    it("knows a command's options in bash", function()
        -- Options that may also stand before the command come twice; bash shows them once.
        local script = ('source <("%s" completion bash); COMP_WORDS=(jflash flash --boa); COMP_CWORD=2; '
            .. '_jflash; printf "%%s\\n" "${COMPREPLY[@]}" | sort -u'):format(program)
        assert.equal("--board", (output({ "bash", "-c", script }):gsub("%s+$", "")))
    end)

    it("knows the commands in bash", function()
        local script = ('source <("%s" completion bash); COMP_WORDS=(jflash ""); COMP_CWORD=1; '
            .. '_jflash; echo "${COMPREPLY[*]}"'):format(program)
        local words = output({ "bash", "-c", script })
        for _, command in ipairs(cli.commands()) do
            has(" " .. words, " " .. command)
        end
    end)

    it("is proper zsh", function()
        output({ "zsh", "-c", ('"%s" completion zsh | zsh -n /dev/stdin'):format(program) })
    end)
end)
