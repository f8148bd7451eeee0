-- SPDX-License-Identifier: Apache-2.0

local json = require("jflash.json")
local reader = require("jflash.report.reader")
local sys = require("jflash.sys")
local text = require("jflash.report.text")

local M = {}

local EXAMPLES = [[
Examples:
  jflash report                 the latest run
  jflash report --list
  jflash report --format json ./my-run-dir | jq .result]]

function M.define(command)
    command:argument("run", "A run's folder, or its name under ~/.local/state/jflash/runs "
        .. "(default: the latest there)."):argname("RUN"):args("?")
    command:flag("--list", "List the runs, the latest first.")
    command:option("--format", "For people (text) or for machines (json).")
        :choices({ "text", "json" }):default("text")
    command:epilog(EXAMPLES)
end

local function list(format)
    local documents = setmetatable({}, json.array)
    for index, name in ipairs(reader.names()) do
        documents[index] = reader.read(reader.find(name))
        if format == "text" then
            sys.write(1, text.row(name, documents[index]))
        end
    end
    if format == "json" then
        sys.write(1, json.encode(documents) .. "\n")
    end
end

function M.run(values)
    if values.list then
        list(values.format)
        return 0
    end
    local document = reader.read(reader.find(values.run))
    sys.write(1, values.format == "json" and json.encode(document, { pretty = true }) .. "\n"
        or text.page(document))
    return 0
end

return M
