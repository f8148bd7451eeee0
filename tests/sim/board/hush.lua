-- SPDX-License-Identifier: Apache-2.0
--
-- U-Boot's command languages: "hush" (quotes, $name, ;, &&, ||, if) and the
-- simple parser that U-Boot has without it (${name}, ; and single quotes only).
local M = {}

-- ---- hush: words ----

-- A word is a list of pieces {text=, quote="'", '"' or ""}.
local function read_word(line, at)
    local pieces, text, quote = {}, "", ""
    local function flush()
        if text ~= "" or quote ~= "" then
            pieces[#pieces + 1] = { text = text, quote = quote }
        end
        text = ""
    end
    while at <= #line do
        local char = line:sub(at, at)
        if quote == "" and char:find("[%s;&|]") then
            break
        elseif quote == "" and (char == "'" or char == '"') then
            flush()
            quote = char
        elseif quote ~= "" and char == quote then
            flush()
            quote = ""
        elseif char == "\\" and quote ~= "'" and at < #line then
            flush()
            at = at + 1
            pieces[#pieces + 1] = { text = line:sub(at, at), quote = "'" }
        else
            text = text .. char
        end
        at = at + 1
    end
    if quote ~= "" then
        return nil
    end
    flush()
    return pieces, at
end

-- The line as words and operators; nil when a quote is not closed.
local function tokens_of(line)
    local tokens, at = {}, 1
    while true do
        at = line:match("^[ \t]*()", at)
        if at > #line or line:sub(at, at) == "#" then
            return tokens
        end
        local operator = line:match("^&&", at) or line:match("^||", at) or line:match("^[;&|]", at)
        if operator then
            tokens[#tokens + 1] = { operator = operator }
            at = at + #operator
        else
            local pieces, next_at = read_word(line, at)
            if not pieces then
                return nil
            end
            tokens[#tokens + 1] = { pieces = pieces }
            at = next_at
        end
    end
end

-- ---- hush: the tree ----

local KEYWORDS = { ["if"] = true, ["then"] = true, ["elif"] = true, ["else"] = true, ["fi"] = true }

local Parser = {}
Parser.__index = Parser

function Parser:keyword()
    local token = self.tokens[self.at]
    local piece = token and token.pieces and #token.pieces == 1 and token.pieces[1]
    return piece and piece.quote == "" and KEYWORDS[piece.text] and piece.text or nil
end

function Parser:expect(keyword)
    if self:keyword() ~= keyword then
        error({ syntax = true })
    end
    self.at = self.at + 1
end

function Parser:operator(...)
    local token = self.tokens[self.at]
    for _, operator in ipairs({ ... }) do
        if token and token.operator == operator then
            self.at = self.at + 1
            return operator
        end
    end
    return nil
end

function Parser:conditional()
    local node = { clauses = {} }
    local keyword = "if"
    repeat
        self:expect(keyword)
        local clause = { condition = self:list() }
        self:expect("then")
        clause.body = self:list()
        table.insert(node.clauses, clause)
        keyword = "elif"
    until self:keyword() ~= "elif"
    if self:keyword() == "else" then
        self:expect("else")
        node.otherwise = self:list()
    end
    self:expect("fi")
    return node
end

function Parser:command()
    if self:keyword() == "if" then
        return self:conditional()
    end
    local node = { words = {} }
    while self.tokens[self.at] and self.tokens[self.at].pieces do
        table.insert(node.words, self.tokens[self.at].pieces)
        self.at = self.at + 1
    end
    if #node.words == 0 then
        error({ syntax = true })
    end
    return node
end

function Parser:list()
    local list = {}
    local joint = ";"
    while self.tokens[self.at] do
        local keyword = self:keyword()
        if keyword and keyword ~= "if" then
            break
        end
        table.insert(list, { joint = joint, command = self:command() })
        joint = self:operator("&&", "||", ";")
        if not joint then
            break
        end
    end
    return list
end

-- ---- hush: running ----

local function expand(text, shell)
    local expanded = text:gsub("%$(%b{})", function(name)
        return shell.get(name:sub(2, -2)) or ""
    end)
    expanded = expanded:gsub("%$(%w[%w_]*)", function(name)
        return shell.get(name) or ""
    end)
    if shell.knows_status then
        expanded = expanded:gsub("%$%?", tostring(shell.status))
    end
    return (expanded:gsub("%$%?", ""))
end

local function word_of(pieces, shell)
    local word = ""
    for _, piece in ipairs(pieces) do
        word = word .. (piece.quote == "'" and piece.text or expand(piece.text, shell))
    end
    return word
end

local run_list

local function run_conditional(node, shell)
    for _, clause in ipairs(node.clauses) do
        run_list(clause.condition, shell)
        if shell.status == 0 then
            return run_list(clause.body, shell)
        end
    end
    if node.otherwise then
        run_list(node.otherwise, shell)
    end
end

local function run_command(node, shell)
    if node.clauses then
        return run_conditional(node, shell)
    end
    local words = {}
    for _, pieces in ipairs(node.words) do
        local word = word_of(pieces, shell)
        if word ~= "" or #pieces > 0 and pieces[1].quote ~= "" then
            words[#words + 1] = word
        end
    end
    if words[1] then
        shell.status = shell.execute(words)
    end
end

function run_list(list, shell)
    for _, item in ipairs(list) do
        local skip = item.joint == "&&" and shell.status ~= 0 or item.joint == "||" and shell.status == 0
        if not skip then
            run_command(item.command, shell)
        end
    end
end

--- Runs a line. `shell`: execute(words) gives a status; get(name) a variable;
--- knows_status; status, which changes.
function M.hush(line, shell)
    local tokens = tokens_of(line)
    local parser = setmetatable({ tokens = tokens, at = 1 }, Parser)
    local ok, list = pcall(parser.list, parser)
    if not tokens or not ok or parser.at <= #tokens then
        if not ok and not (type(list) == "table" and list.syntax) and tokens then
            error(list, 0)
        end
        shell.print("syntax error\n")
        shell.status = 1
        return
    end
    run_list(list, shell)
end

-- ---- the simple parser ----

local function split_commands(line)
    local commands, text, quoted, at = {}, "", false, 1
    while at <= #line do
        local char = line:sub(at, at)
        if char == "'" then
            quoted = not quoted
        end
        if char == "\\" and line:sub(at + 1, at + 1) == ";" then
            text = text .. "\\;"
            at = at + 1
        elseif char == ";" and not quoted then
            commands[#commands + 1] = text
            text = ""
        else
            text = text .. char
        end
        at = at + 1
    end
    commands[#commands + 1] = text
    return commands
end

-- Variables and backslashes; single quotes go, double quotes are plain letters.
local function substitute(text, shell)
    local result, quoted, at = "", false, 1
    while at <= #text do
        local char = text:sub(at, at)
        local name = text:match("^%$(%b{})", at) or text:match("^%$(%b())", at)
        if char == "'" then
            quoted = not quoted
        elseif char == "\\" and at < #text then
            at = at + 1
            result = result .. text:sub(at, at)
        elseif name and not quoted then
            result = result .. (shell.get(name:sub(2, -2)) or "")
            at = at + #name
        else
            result = result .. char
        end
        at = at + 1
    end
    return result
end

--- Runs a line as U-Boot without hush does; see `hush`. What follows a command
--- that failed is run all the same.
function M.simple(line, shell)
    for _, command in ipairs(split_commands(line)) do
        local words = {}
        for word in substitute(command, shell):gmatch("%S+") do
            words[#words + 1] = word
        end
        if words[1] then
            shell.status = shell.execute(words)
        end
    end
end

return M
