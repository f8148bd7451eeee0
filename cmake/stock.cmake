# SPDX-License-Identifier: Apache-2.0
#
# The texts that are built into the program: stock Lua, scripts, boards and
# bundle manifests, the page that describes the configuration, and Debian's
# lua-argparse. Sets STOCK_C to the generated source.
find_file(ARGPARSE_LUA argparse.lua PATHS /usr/share/lua/5.4 REQUIRED NO_DEFAULT_PATH)

file(GLOB_RECURSE STOCK_FILES CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
    lua/*.lua scripts/*.lua bundles/*/board.yaml bundles/*/manifest*.yaml docs/configuration.md)
# What every start reads comes first, so that the rest stays out of memory.
file(GLOB STOCK_FIRST CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} lua/jflash/cli/*.lua)
list(APPEND STOCK_FIRST lua/jflash/errors.lua lua/jflash/log.lua lua/jflash/nearest.lua
    lua/jflash/scripts.lua)
list(REMOVE_ITEM STOCK_FILES ${STOCK_FIRST})
list(SORT STOCK_FILES)
list(PREPEND STOCK_FILES ${STOCK_FIRST})
set(lines "vendor/argparse.lua\t${ARGPARSE_LUA}\n")
set(paths "")
foreach(name IN LISTS STOCK_FILES)
    string(APPEND lines "${name}\t${PROJECT_SOURCE_DIR}/${name}\n")
    list(APPEND paths ${PROJECT_SOURCE_DIR}/${name})
endforeach()

set(STOCK_LIST ${PROJECT_BINARY_DIR}/generated/stock.txt)
set(STOCK_C ${PROJECT_BINARY_DIR}/generated/stock.c)
file(CONFIGURE OUTPUT ${STOCK_LIST} CONTENT "${lines}" @ONLY)
add_custom_command(OUTPUT ${STOCK_C}
    COMMAND ${CMAKE_COMMAND} -DINPUTS=${STOCK_LIST} -DOUTPUT=${STOCK_C}
            -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${paths} ${ARGPARSE_LUA} ${STOCK_LIST} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
