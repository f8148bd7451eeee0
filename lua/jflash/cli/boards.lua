-- SPDX-License-Identifier: Apache-2.0

local config = require("jflash.config")
local json = require("jflash.json")
local options = require("jflash.cli.options")
local sys = require("jflash.sys")

local M = {}

function M.define(command)
    command:option("--config", "Read this configuration file and no other.")
        :argname("FILE")
    options.output(command)
    command:epilog("Examples:\n  jflash boards\n  jflash boards --config lab.yaml --log-format json")
end

function M.run(values)
    local boards = config.boards({ config = values.config })
    if values.log_format == "json" then
        sys.write(1, json.encode(setmetatable(boards, json.array)) .. "\n")
        return 0
    end
    for _, board in ipairs(boards) do
        sys.write(1, ("%-20s %-50s %s\n"):format(board.name, board.description or "", board.source))
    end
    return 0
end

return M
