-- SPDX-License-Identifier: Apache-2.0
std = "lua54"
max_line_length = 120
codes = true
exclude_files = { "build", ".cache" }
-- Tests are busted specs.
files["tests"] = { std = "lua54+busted" }
-- Stock Lua starts no process and touches no file by itself: jflash.sys does, with
-- deadlines and cancellation.
files["lua"] = { not_globals = { "os.execute", "io.popen", "os.remove", "os.rename", "os.exit" } }
