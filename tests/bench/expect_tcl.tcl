# SPDX-License-Identifier: Apache-2.0
#
# Tcl expect's side of the console benchmark: asks the board behind a pty for
# noise, waits for its prompt, and prints the seconds.
#
#   expect expect_tcl.tcl PATH BYTES

lassign $argv path bytes
log_user 0
set timeout 300
spawn -noecho -open [open $path r+]
set start [clock microseconds]
send "n $bytes\n"
expect -ex "board=> "
puts [expr {([clock microseconds] - $start) / 1e6}]
