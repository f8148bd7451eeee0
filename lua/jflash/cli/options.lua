-- SPDX-License-Identifier: Apache-2.0
--
-- Options that several commands share, so that they are spelt and explained once.

local errors = require("jflash.errors")

local M = {}

local function whole_number(text)
    local number = math.tointeger(tonumber(text))
    if not number or number < 0 then
        return nil, ("'%s' is not a whole number of 0 or more"):format(text)
    end
    return number
end

--- A number of seconds, for convert.
function M.seconds(text)
    local number = tonumber(text)
    if not number or number < 0 then
        return nil, ("'%s' is not a number of seconds"):format(text)
    end
    return number
end

local function sha256(text)
    local digest = text:lower():gsub("^sha256:", "")
    if not digest:find("^%x+$") or #digest ~= 64 then
        return nil, ("'%s' is no SHA-256 (64 hexadecimal digits)"):format(text)
    end
    return digest
end

--- Which board, and from which configuration.
function M.board(command)
    command:option("-b --board", "The board's name: see jflash boards. Not needed when one is configured.")
        :argname("NAME")
    command:option("--config", "Read this configuration file and no other.")
        :argname("FILE")
    command:option("--set", "Override a key of the board's configuration (repeatable), "
        .. "as --set power.drive=/path/disk.img.")
        :argname("KEY=VALUE"):count("*"):init({})
end

--- Which bundle, and what of it.
function M.bundle(command)
    command:option("--variant", "Which device tree: a name from the manifest's variants.")
        :argname("NAME")
    command:option("--force-flash-bundle", "Another bundle (a folder) for this run.")
        :argname("DIR")
end

--- How often.
function M.retries(command)
    command:option("--retries", "Tries after the first, for what can pass by itself (default: the "
        .. "board's, 3)."):argname("N"):convert(whole_number)
end

--- What a run leaves: the power, and its records.
function M.run(command)
    command:flag("--power-off", "Switch the power off when done, also after a failure (default).")
    command:flag("--no-power-off", "Leave the board running.")
    command:flag("--console-debug", "Show the board's console on stderr.")
    command:option("--run-dir", "The folder for this run's transcript and log (default: a new one "
        .. "under ~/.local/state/jflash/runs)."):argname("DIR")
end

--- Raises when both ways were asked for.
function M.check_power_off(values)
    if values.power_off and values.no_power_off then
        errors.raise({ class = "config", code = "usage",
            message = "--power-off and --no-power-off exclude each other" })
    end
end

--- What M.bundle, M.retries, M.run and M.wait were given, as jflash.dut takes it.
---@return table
function M.of_run(values, board)
    return {
        variant = values.variant,
        bundle = values.force_flash_bundle,
        retries = values.retries or board.retries,
        power_off = not values.no_power_off,
        console_debug = values.console_debug,
        run_dir = values.run_dir,
        wait_s = values.wait,
    }
end

--- How a command talks.
function M.output(command)
    command:option("--log-format", "Log lines for people (text) or for machines (json).")
        :choices({ "text", "json" }):default("text")
    command:flag("-q --quiet", "Only warnings, errors and the result.")
end

--- How long to wait for a board that another run uses.
function M.wait(command)
    command:option("--wait", "Wait up to S seconds for a board that is in use.")
        :argname("S"):convert(M.seconds):default("0"):show_default(false)
end

--- Everything that `flash` takes; `run` takes the same behind its script.
function M.flash(command)
    command:argument("image", "The image: a file, or - for standard input; raw, xz, gzip, zstd, "
        .. "bzip2 or lz4, told apart by content."):argname("IMAGE"):args("?")
    M.board(command)
    command:option("-t --part", "Write FILE to a partition, by its label, or to a target of the "
        .. "manifest (repeatable: all in one boot; instead of IMAGE)."):argname("PART:FILE")
        :count("*"):init({})
    command:option("--target", "Which storage: a name from the manifest's targets."):argname("NAME")
    M.bundle(command)
    command:option("--os-image-checksum", "The SHA-256 that IMAGE must have, as it is delivered.")
        :argname("HEX"):convert(sha256)
    command:option("--format", "Take IMAGE for this format whatever its content says; raw writes "
        .. "it as it is."):choices({ "raw", "xz", "gzip", "zstd", "bzip2", "lz4" })
    M.retries(command)
    command:option("--method", "How to write (default: shell).")
        :choices(require("jflash.write").names)
    command:flag("--preflash", "Run the bundle's preflash commands for partitions too: they wipe "
        .. "partition tables.")
    command:flag("--no-verify", "Do not read back; the result is then 'written, not verified'.")
    M.run(command)
    M.wait(command)
    M.output(command)
end

return M
