-- SPDX-License-Identifier: Apache-2.0
--
-- Options that several commands share, so that they are spelt and explained once.

local M = {}

local function whole_number(text)
    local number = math.tointeger(tonumber(text))
    if not number or number < 0 then
        return nil, ("'%s' is not a whole number of 0 or more"):format(text)
    end
    return number
end

local function seconds(text)
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

--- How a command talks.
function M.output(command)
    command:option("--log-format", "Log lines for people (text) or for machines (json).")
        :choices({ "text", "json" }):default("text")
    command:flag("-q --quiet", "Only warnings, errors and the result.")
end

--- How long to wait for a board that another run uses.
function M.wait(command)
    command:option("--wait", "Wait up to S seconds for a board that is in use.")
        :argname("S"):convert(seconds):default("0"):show_default(false)
end

-- What every command takes that boots the flasher.
local function boot(command)
    command:option("--variant", "Which device tree: a name from the manifest's variants.")
        :argname("NAME")
    command:option("--force-flash-bundle", "Another bundle (a folder) for this run.")
        :argname("DIR")
    command:option("--retries", "Tries after the first, for what can pass by itself (default: the "
        .. "board's, 3)."):argname("N"):convert(whole_number)
    command:flag("--power-off", "Switch the power off when done, also after a failure (default).")
    command:flag("--no-power-off", "Leave the board running.")
    command:flag("--console-debug", "Show the board's console on stderr.")
    command:option("--run-dir", "The folder for this run's transcript, log and result (default: a "
        .. "new one under ~/.local/state/jflash/runs)."):argname("DIR")
    M.wait(command)
    M.output(command)
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
    command:option("--os-image-checksum", "The SHA-256 that IMAGE must have, as it is delivered.")
        :argname("HEX"):convert(sha256)
    command:option("--format", "Take IMAGE for this format whatever its content says; raw writes "
        .. "it as it is."):choices({ "raw", "xz", "gzip", "zstd", "bzip2", "lz4" })
    command:option("--method", "How to write (default: shell).")
        :choices(require("jflash.write").names)
    command:flag("--preflash", "Run the bundle's preflash commands for partitions too: they wipe "
        .. "partition tables.")
    command:flag("--no-verify", "Do not read back; the result is then 'written, not verified'.")
    boot(command)
end

--- Everything that `dump` takes.
function M.dump(command)
    command:argument("file", "The file; one that ends in .xz, .zst or .gz is compressed."):argname("FILE")
        :args("?")
    M.board(command)
    command:option("-t --part", "Read a partition, by its label, or a target of the manifest into "
        .. "FILE (repeatable: all in one boot; instead of FILE)."):argname("PART:FILE")
        :count("*"):init({})
    command:option("--target", "Which storage: a name from the manifest's targets."):argname("NAME")
    command:flag("--force", "Replace FILE when it exists, and begin anew where an earlier dump "
        .. "left FILE.part.")
    boot(command)
end

return M
