-- SPDX-License-Identifier: Apache-2.0
--
-- Prints the manual page jflash(1): `jflash run cmake/manual.lua`. Commands and
-- options come from the command line's own parser, so that they cannot differ.

local cli = require("jflash.cli")
local runtime = require("jflash.runtime")

-- What jflash takes from its environment.
local ENVIRONMENT = {
    { "JFLASH_PATH", "Directories, separated by colons, where Lua modules and scripts are looked for first." },
    { "JFLASH_BEARER", "The token that is sent where images are fetched, when no option names one." },
    { "OCI_USERNAME, OCI_PASSWORD", "The credentials for registries, before those in files." },
    { "REGISTRY_AUTH_FILE", "The credential file for registries that is looked at first." },
    { "DOCKER_CONFIG", "Where Docker's config.json lies (~/.docker)." },
    { "https_proxy, http_proxy, no_proxy", "The proxy for what is fetched." },
    { "XDG_CACHE_HOME", "Where what was fetched is kept (~/.cache)." },
    { "XDG_CONFIG_HOME", "Where jflash/jflash.yaml and jflash/*.lua of the user lie (~/.config)." },
    { "XDG_STATE_HOME", "Where the runs' folders and the virtual boards' state lie (~/.local/state)." },
    { "XDG_DATA_HOME", "Where bundles that are known by a bare name lie (~/.local/share)." },
    { "XDG_RUNTIME_DIR", "Where a running virtual board's sockets lie, and containers/auth.json." },
    { "TMPDIR", "Where short-lived files lie (/tmp)." },
    { "PATH", "Where an fls program that is installed on this host is looked for, for --fls-version ''." },
    { "HOME", "What ~ stands for." },
}

local FILES = {
    { "jflash.yaml, ~/.config/jflash/jflash.yaml, /etc/jflash/jflash.yaml",
        "The boards. All that exist are read; the first that names a board wins." },
    { "~/.local/state/jflash/runs/", "A folder for each run: the console's transcript, the log and the result." },
    { "~/.cache/jflash/", "What was fetched." },
    { "/run/lock/jflash/", "One lock for each board in use." },
}

local STATUSES = {
    { "0", "Done. For flash: verified, or with --no-verify written." },
    { "1", "A bug, or an error in one's own Lua." },
    { "2", "The configuration: command line, jflash.yaml, bundle, names." },
    { "3", "The source: an image or a bundle cannot be had." },
    { "4", "This host: ports, locks, files, the power device." },
    { "5", "The board." },
    { "6", "The image: damaged, too large, or of a kind that cannot be written." },
    { "128+N", "Ended by signal N." },
}

-- Text for roff: no line may begin with a control character, a hyphen is a minus.
local function escape(text)
    text = text:gsub("\\", "\\(rs"):gsub("%-", "\\-")
    return (text:gsub("^([.'])", "\\&%1"):gsub("\n([.'])", "\n\\&%1"))
end

local function emit(...)
    io.write(...)
    io.write("\n")
end

local function section(title)
    emit(".SH ", title)
end

local function paragraph(term, text)
    emit(".TP\n.B ", escape(term), "\n", escape(text))
end

-- A text as it stands, line by line.
local function verbatim(text)
    emit(".PP\n.nf\n", escape(text), "\n.fi")
end

local function option_term(option)
    local names = table.concat(option._aliases, ", ")
    local argument = option._argname
    if type(argument) == "table" then
        argument = table.concat(argument, " ")
    end
    if not argument and option._choices then
        argument = "{" .. table.concat(option._choices, ",") .. "}"
    end
    return argument and names .. " " .. argument or names
end

local function describe_options(command)
    for _, option in ipairs(command._options) do
        if option._description ~= "Show this help message and exit." then
            paragraph(option_term(option), option._description or "")
        end
    end
end

local function describe_arguments(command)
    for _, argument in ipairs(command._arguments) do
        paragraph(argument._argname or argument._name:upper(), argument._description or "")
    end
    describe_options(command)
end

local function describe_command(command)
    emit(".SS ", escape(command._name))
    emit(escape(command._description or ""))
    verbatim((command:get_usage():gsub("^Usage: ", "")))
    describe_arguments(command)
    if command._epilog then
        verbatim(command._epilog)
    end
end

local function table_of(title, rows)
    section(title)
    for _, row in ipairs(rows) do
        paragraph(row[1], row[2])
    end
end

local parser = cli.parser()
emit('.TH JFLASH 1 "" "jflash ', escape(runtime.version), '" "User Commands"')
section("NAME")
emit("jflash \\- flash operating\\-system images onto boards through their own bootloader")
section("SYNOPSIS")
emit(".B jflash\n.RI [ OPTIONS ]\n.I COMMAND\n.RI [ OPTIONS ]")
section("DESCRIPTION")
emit(escape([[
jflash cycles a board's power, stops its U-Boot, loads a kernel and a small flasher system by TFTP,
boots it, streams an image over HTTP onto the board's storage, reads back what was written, and
switches the power off. It says "flashed" only when what the storage holds is what was sent.]]))
section("OPTIONS")
emit("Before the command; its own come behind it.")
describe_options(parser)
section("COMMANDS")
for _, command in ipairs(parser._commands) do
    describe_command(command)
end
table_of("EXIT STATUS", STATUSES)
table_of("ENVIRONMENT", ENVIRONMENT)
table_of("FILES", FILES)
section("SEE ALSO")
emit("The documentation in docs/ of the source, installed as share/doc/jflash/docs.")
