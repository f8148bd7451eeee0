-- SPDX-License-Identifier: Apache-2.0
--
-- Options that several commands share, so that they are spelt and explained once.

local errors = require("jflash.errors")

local M = {}

-- What converts a value, with the option's name before what it says of a wrong one.
local function of(option, convert)
    return function(text)
        local value, why = convert(text)
        return value, why and option .. ": " .. why
    end
end

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

-- The options that may also stand before the command.
local BEFORE = { "board", "config" }

--- Which board, and from which configuration, before the command.
function M.before_command(parser)
    parser:option("-b --board", "The board's name, for the command."):argname("NAME"):target("before_board")
    parser:option("--config", "The configuration file, for the command."):argname("FILE"):target("before_config")
end

--- True for an option of before_command: the argument behind it is its value.
---@param argument string
function M.is_before_command(argument)
    return argument == "-b" or argument == "--board" or argument == "--config"
end

--- The options that stood before the command, as arguments.
---@param values table
---@return string[]
function M.given_before(values)
    local args = {}
    for _, name in ipairs(BEFORE) do
        local value = values["before_" .. name]
        if value then
            table.insert(args, "--" .. name)
            table.insert(args, value)
        end
    end
    return args
end

--- Takes over the options that stood before the command; those behind it win. `has` tells
--- whether the command has an option. Returns the name of one that it has not.
---@param values table
---@param has fun(option: string): boolean
---@return string|nil unknown
function M.take_over(values, has)
    for _, name in ipairs(BEFORE) do
        local value = values["before_" .. name]
        if value and not has("--" .. name) then
            return "--" .. name
        end
        values[name] = values[name] or value
    end
    return nil
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
        :argname("S"):convert(of("--wait", M.seconds)):default("0"):show_default(false)
end

--- Whom to trust.
function M.trust(command)
    command:option("--cacert", "Trust the authorities in this PEM file, and no others, for https "
        .. "(default: the board's cacert, else this host's)."):argname("FILE")
    command:flag("-k --insecure-tls", "Believe any certificate.")
end

--- What to send where images are fetched; see jflash.credentials.
function M.credentials(command)
    command:option("--header", "Send this header when an image is fetched (repeatable); @FILE "
        .. "reads them from a file."):argname("'NAME: VALUE'"):count("*"):init({})
    command:option("--bearer", "Send this token (better: --bearer-file, or JFLASH_BEARER in the "
        .. "environment)."):argname("TOKEN")
    command:option("--bearer-file", "Read the token from this file."):argname("FILE")
end

--- How registries are spoken to, beside credentials.
function M.registry(command)
    command:flag("--plain-http", "Speak to the registry without TLS.")
    command:option("--verify-key", "Take from a registry only what is signed by this public key, as cosign "
        .. "does it (default: the board's verify_key)."):argname("FILE")
    command:flag("--offline", "Ask no registry: take what is in the cache, by digest, lock file, or "
        .. "as the tag was when it was last asked for.")
end

--- Which cache: the board's, or the one that is named.
function M.cache(command)
    M.board(command)
    command:option("--cache-dir", "This cache (default: the board's cache_dir, else "
        .. "$XDG_CACHE_HOME/jflash, else ~/.cache/jflash)."):argname("DIR")
end

-- Without a board of one's own there is nothing to say about the cache.
local NO_BOARD = { cache_limit = 20 << 30, retries = 3 }

--- The board that is named, or a stand-in with the defaults; with the cache that the
--- options say.
---@param values table
---@return table board
function M.cache_place(values)
    local named = values.board or values.config or #values.set > 0
    local board = named and require("jflash.cli.board").choose(values) or NO_BOARD
    return setmetatable({ cache_dir = values.cache_dir }, { __index = board })
end

--- The digest that the image must have.
function M.checksum(command)
    command:option("--os-image-checksum", "The SHA-256 that IMAGE must have, as it is delivered.")
        :argname("HEX"):convert(of("--os-image-checksum", sha256))
    command:option("--os-image-checksum-file", "Read it from this file: its first word, as "
        .. "sha256sum writes it."):argname("FILE")
end

--- A SHA-256 as options take it, in lower case; nil and why not.
M.sha256 = sha256

--- What U-Boot loads.
function M.boot_files(command)
    command:option("--variant", "Which device tree: a name from the manifest's variants.")
        :argname("NAME")
    command:option("--kernel", "Your own kernel, a file or URL, instead of the bundle's, at the same address.")
        :argname("FILE")
    command:option("--initram", "Your own initramfs, as --kernel."):argname("FILE")
    command:option("--dtb", "Your own device tree blob, as --kernel."):argname("FILE")
end

--- What every command takes that boots the flasher, in the order of help.
function M.boot(command)
    M.boot_files(command)
    command:option("--force-flash-bundle", "Another bundle for this run: a folder, or a registry's "
        .. "reference (oci://HOST/NAME:TAG)."):argname("REF")
    M.trust(command)
    M.registry(command)
    command:option("--retries", "Tries after the first, for what can pass by itself (default: the "
        .. "board's, 3)."):argname("N"):convert(of("--retries", whole_number))
    command:flag("--allow-bundle-recipe", "Run the recipe.lua that a bundle brings: it is code on this "
        .. "host.")
    command:flag("--power-off", "Switch the power off when done, also after a failure (default).")
    command:flag("--no-power-off", "Leave the board running.")
    command:flag("--console-debug", "Show the board's console on stderr.")
    command:option("--run-dir", "The folder for this run's transcript, log and result (default: a "
        .. "new one under ~/.local/state/jflash/runs)."):argname("DIR")
    M.wait(command)
    M.output(command)
end

--- What M.boot was given, as jflash.dut takes it. Raises when it excludes itself.
---@return table
function M.of_run(values, board)
    if values.power_off and values.no_power_off then
        errors.raise({ class = "config", code = "usage",
            message = "--power-off and --no-power-off exclude each other" })
    end
    return {
        variant = values.variant,
        kernel = values.kernel,
        initram = values.initram,
        dtb = values.dtb,
        bundle = values.force_flash_bundle,
        fetch = { headers = {}, cacert = values.cacert or board.cacert, insecure = values.insecure_tls },
        plain_http = values.plain_http,
        offline = values.offline,
        verify_key = values.verify_key,
        allow_bundle_recipe = values.allow_bundle_recipe or board.allow_bundle_recipe,
        retries = values.retries or board.retries,
        power_off = not values.no_power_off,
        console_debug = values.console_debug,
        run_dir = values.run_dir,
        wait_s = values.wait,
    }
end

--- Everything that `flash` takes; `run` takes the same behind its script.
function M.flash(command)
    command:argument("image", "The image: a file, a URL (http, https, oci), or - for standard input; "
        .. "raw, xz, gzip, zstd, bzip2 or lz4, told apart by content."):argname("IMAGE"):args("?")
    M.board(command)
    command:option("-t --part", "Write FILE to a partition, by its label, or to a target of the "
        .. "manifest (repeatable: all in one boot; instead of IMAGE)."):argname("PART:FILE")
        :count("*"):init({})
    command:option("--target", "Which storage: a name from the manifest's targets."):argname("NAME")
    M.checksum(command)
    M.credentials(command)
    command:option("--file-pattern", "Of an image in a registry: which file of it, by its name, as *.img.xz "
        .. "(needed when there are several)."):argname("GLOB")
    command:flag("--dut-fetch", "Let the board fetch the image from its URL by itself; it is hashed "
        .. "there on its way.")
    command:flag("--force-exporter-http", "This host fetches and serves the image: what it does "
        .. "anyway.")
    command:option("--format", "Take IMAGE for this format whatever its content says; raw writes "
        .. "it as it is."):choices({ "raw", "xz", "gzip", "zstd", "bzip2", "lz4" })
    command:option("--method", "How to write: shell (the default) needs a busybox on the board; fls "
        .. "runs the program of that name there."):choices(require("jflash.write").names)
    command:option("--fls-version", "The release of fls to run (default: "
        .. require("jflash.fls_program").DEFAULT_VERSION .. "); '' takes the copy that is installed "
        .. "on this host."):argname("V")
    command:option("--fls-binary-url", "Another fls program for the board: a URL, or a file."):argname("URL")
    command:option("--fls-sha256", "The SHA-256 that the fls program must have; needed for a URL.")
        :argname("HEX"):convert(of("--fls-sha256", sha256))
    command:flag("--preflash", "Run the bundle's preflash commands for partitions too: they wipe "
        .. "partition tables.")
    command:flag("--no-verify", "Do not read back; the result is then 'written, not verified'.")
    command:flag("--dry-run", "Print what would be done, and do nothing: arguments, bundle and local "
        .. "images are checked.")
    M.boot(command)
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
    M.boot(command)
end

return M
