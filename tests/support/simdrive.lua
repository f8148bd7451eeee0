-- SPDX-License-Identifier: Apache-2.0
--
-- A scripted board driven by hand, for the board's own specs: from power-on to
-- its prompts, without the choreography that it is there to test.
local console = require("jflash.console")
local tftp = require("jflash.tftp")

local M = {}

-- At the start of a line, so that an echo cannot match.
M.PROMPT = "re:(?m)^=> "
M.SHELL_PROMPT = "re:(?m)^~ # "

local LOADS = "tftpboot 40400000 Image && tftpboot 48000000 initramfs.gz && setenv rd ${filesize} && "
    .. "tftpboot 4a000000 board-a.dtb"
local BOOT = "setenv bootargs quiet; booti 0x40400000 0x48000000:${rd} 0x4a000000\r"

function M.open(board)
    return assert(console.open(board.console))
end

--- Waits for a pattern; raises with what came instead.
function M.expect(con, pattern, timeout_s)
    local match, message = con:expect(pattern, { timeout_s = timeout_s or 5 })
    if not match then
        error(("%s\n%s"):format(message, con:tail()), 2)
    end
    return match
end

--- Raises when the pattern comes within `timeout_s`.
function M.refute(con, pattern, timeout_s)
    if con:expect(pattern, { timeout_s = timeout_s or 0.05 }) then
        error(("%s came:\n%s"):format(pattern, con:tail()), 2)
    end
end

--- What a command prints before the prompt.
function M.run(con, line, prompt)
    con:send(line .. "\r")
    M.expect(con, "\n")
    return (M.expect(con, prompt or M.PROMPT).before:gsub("\n$", ""))
end

function M.shell(con, line)
    return M.run(con, line, M.SHELL_PROMPT)
end

function M.to_prompt(board, con)
    board:switch("on")
    M.expect(con, "autoboot")
    con:send(" ")
    M.expect(con, M.PROMPT)
end

--- A TFTP server with the board's bundle, of which the board's U-Boot is told.
function M.serve_bundle(board, con)
    local server = assert(tftp.serve({ host = "127.0.0.1", port = 0 }))
    for _, name in ipairs({ "Image", "initramfs.gz", "board-a.dtb" }) do
        server:add(name, { file = ("%s/data/%s"):format(board.bundle, name) })
    end
    M.run(con, "setenv autoload no; dhcp")
    M.run(con, "setenv serverip 127.0.0.1; setenv tftpdstp " .. server:port())
    return server
end

--- Loads what the flasher needs; returns what that printed.
function M.load(board, con)
    local server = M.serve_bundle(board, con)
    local output = M.run(con, LOADS)
    server:close()
    return output
end

function M.boot(con)
    con:send(BOOT)
end

function M.to_login(board, con)
    M.to_prompt(board, con)
    M.load(board, con)
    M.boot(con)
    M.expect(con, "login: ")
end

function M.to_shell(board, con)
    M.to_login(board, con)
    con:send("root\r")
    M.expect(con, M.SHELL_PROMPT)
    -- ash wraps its echo at 80 columns otherwise.
    M.shell(con, "stty cols 4000")
end

return M
