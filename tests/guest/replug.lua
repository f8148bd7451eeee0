-- SPDX-License-Identifier: Apache-2.0
--
-- Pulls the adapter of usb_serial_spec.lua out and plugs it in again while the spec waits for what
-- the board says then; plays that board until it is killed.
package.path = package.path .. ";./?.lua"
local guest = require("tests.guest.guest")

guest.unplug(2)
guest.plug({ port = 2, serial = "JF0001", chardev = "usb" })
local board <close> = guest.peer("usb")
repeat
    board:send("login: ")
until board:expect("root", { timeout_s = 0.2 })
