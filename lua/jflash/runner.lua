-- SPDX-License-Identifier: Apache-2.0
--
-- One run: a recipe against a board, from taking the board to the result that the
-- run's folder keeps. The result is written last, when the board is released and
-- its power off, so that it also tells what went wrong there.

local duts = require("jflash.dut")
local errors = require("jflash.errors")
local reports = require("jflash.report")
local results = require("jflash.report.result")
local runs = require("jflash.dut.run")

local M = {}

-- What failed behind the last step (the power switch) does not undo what was done.
local function add_result(failure, report)
    local result = ("the storage is done: %s"):format(report:result())
    failure.hint = failure.hint and (result .. "; " .. failure.hint) or result
end

--- Runs a recipe. The board is released, and its power off, when this returns or
--- raises.
---@param recipe jflash.Recipe
---@param board table    see jflash.config
---@param options table  see jflash.dut
---@param behind nil|fun(dut: jflash.Dut)  what is done with the board where the recipe has
---  brought it; then the run is no flash
---@return jflash.Report
function M.run(recipe, board, options, behind)
    local report = reports.new()
    report.writes = behind == nil
    local run = runs.new(options.run_dir, board.name, recipe.command)
    local done = false
    local ok, failure = xpcall(function()
        local dut <close> = duts.new(board, options, report)
        dut:start_run(run)
        recipe:run(dut)
        if behind then
            behind(dut)
        end
        done = report.writes
    end, errors.wrap)
    if not ok and done then
        add_result(failure, report)
    end
    results.keep(run, report, not ok and failure or nil)
    if not ok then
        error(failure, 0)
    end
    return report
end

return M
