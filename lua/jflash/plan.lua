-- SPDX-License-Identifier: Apache-2.0
--
-- What a run would do, for --dry-run: the recipe's own steps as far as they touch
-- neither board nor network, and what they settled.

local duts = require("jflash.dut")
local errors = require("jflash.errors")
local json = require("jflash.json")
local log = require("jflash.log")
local net = require("jflash.net")
local pieces = require("jflash.pieces")
local writers = require("jflash.write")

local M = {}

-- The first step that opens ports.
local FIRST_NOT_DONE = "start_servers"

---@class jflash.Plan
---@field board {name: string, source: string, console: string, power: string}
---@field power_off boolean
---@field bundle {name: string, path: string, variant: string|nil, bootcmd: string} with
---  `reference` and `digest` of one that was pulled
---@field files {role: string, file: string, address: string, size_bytes: integer}[]
---@field pieces {image: string, place: string, format: string|nil, delivered_bytes: integer|nil}[]
---@field preflash string[]
---@field method string
---@field verify boolean
---@field retries integer
---@field servers {tftp: table, http: table}

local function describe_piece(piece)
    local source = piece.source
    return {
        image = piece.image,
        place = pieces.place_name(piece),
        target = piece.target_name,
        path = piece.target_path,
        label = piece.label,
        format = source and source:format(),
        delivered_bytes = source and source:delivered_bytes(),
    }
end

local function list(entries, describe)
    local described = {}
    for index, entry in ipairs(entries) do
        described[index] = describe(entry)
    end
    return setmetatable(described, json.array)
end

local function itself(value)
    return value
end

local function describe_file(file)
    local is_own = file.file:find("^own/") ~= nil
    return { role = file.role, file = is_own and file.path or file.file, address = file.address,
        size_bytes = file.size_bytes }
end

-- Of a board's `tftp` or `http` section: where it listens, and what the board must
-- ask, which is known before the board has an address only when that is configured.
local function describe_server(section, network)
    local asked = section.board_host
    if not asked and section.host == "auto" and network.method == "static" then
        asked = net.address_towards(network.ipaddr)
    elseif not asked and section.host ~= "auto" and section.host ~= "auto-loopback" then
        asked = section.host
    end
    return { host = section.host, port = section.port, board_asks = asked }
end

local function describe(dut)
    local board, options, manifest = dut.board, dut.options, dut.manifest
    local with_preflash = options.preflash or pieces.are_whole(dut.pieces)
    return {
        board = { name = dut.name, source = board.source, console = board.console.device,
            power = dut.power.describe },
        power_off = options.power_off,
        bundle = { name = manifest.name, path = dut.bundle.root, variant = dut.variant.name,
            reference = dut.bundle.reference, digest = dut.bundle.oci_digest,
            bootcmd = dut.variant.bootcmd },
        files = list(dut.files, describe_file),
        pieces = list(dut.pieces, describe_piece),
        preflash = list(with_preflash and manifest.spec.preflash_commands or {}, itself),
        method = options.method or writers.names[1],
        verify = options.verify,
        retries = options.retries,
        servers = {
            tftp = describe_server(board.tftp, board.network),
            http = describe_server(board.http, board.network),
        },
    }
end

--- Does the recipe's steps up to where ports are opened, and tells what came of them.
--- Takes no lock, touches no power. Raises what a run would raise there.
---@param recipe jflash.Recipe
---@param board jflash.board
---@param options table  see jflash.dut
---@return jflash.Plan
function M.make(recipe, board, options)
    options.dry_run = true
    if not recipe[FIRST_NOT_DONE] then
        errors.raise({ class = "config", code = "recipe",
            message = ("this recipe has no step %s: what it would do cannot be told from what it does")
                :format(FIRST_NOT_DONE) })
    end
    local dut <close> = duts.new(board, options)
    recipe:run(dut, FIRST_NOT_DONE)
    return describe(dut)
end

------------------------------------------------------------------------------
-- For people

local function piece_line(piece)
    local what = piece.format and (" (%s, %s)"):format(piece.format, log.size(piece.delivered_bytes))
        or " (not looked at)"
    return ("%s%s to %s"):format(piece.image, what, piece.place)
end

local function file_line(file)
    return ("%s %s to %s, %s"):format(file.role, file.file, file.address,
        file.size_bytes and log.size(file.size_bytes) or "not fetched")
end

local PLACES = {
    auto = { "all addresses", "this host's address that faces it" },
    ["auto-loopback"] = { "a free loopback address", "the same" },
}

local function server_line(server)
    local place = PLACES[server.host] or { server.host }
    return ("on %s, %s; the board asks %s"):format(place[1],
        server.port == 0 and "any free port" or "port " .. server.port, server.board_asks or place[2])
end

--- A plan as lines of text.
---@param plan jflash.Plan
---@return string
function M.text(plan)
    local lines = { plan.board.name .. ": a plan, nothing was done" }
    local function add(name, text)
        table.insert(lines, ("  %-10s %s"):format(name, text))
    end
    add("board", ("%s (%s)"):format(plan.board.name, plan.board.source))
    add("console", plan.board.console)
    add("power", ("%s, %s when done"):format(plan.board.power, plan.power_off and "off" or "left on"))
    add("bundle", ("%s (%s), variant %s"):format(plan.bundle.name, plan.bundle.path,
        plan.bundle.variant or "none"))
    if plan.bundle.reference then
        add("", ("%s, %s"):format(plan.bundle.reference, plan.bundle.digest))
    end
    for _, file in ipairs(plan.files) do
        add("load", file_line(file))
    end
    add("boot", plan.bundle.bootcmd)
    for _, piece in ipairs(plan.pieces) do
        add("write", piece_line(piece))
    end
    for _, command in ipairs(plan.preflash) do
        add("preflash", command)
    end
    add("method", ("%s, %s"):format(plan.method, plan.verify and "read back and compared" or "not read back"))
    add("TFTP", server_line(plan.servers.tftp))
    add("HTTP", server_line(plan.servers.http))
    add("retries", tostring(plan.retries))
    return table.concat(lines, "\n") .. "\n"
end

return M
