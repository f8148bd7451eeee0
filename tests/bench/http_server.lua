-- SPDX-License-Identifier: Apache-2.0
--
-- The server that tests/bench/http.lua measures, in a process of its own: serves
-- the file it is given, prints "PORT PATH", and ends with its standard input.
local http = require("jflash.http")

local server <close> = assert(http.serve())
local path = assert(server:add("file", { file = arg[1] }))
io.write(server:port(), " ", path, "\n")
io.flush()
io.read("a")
