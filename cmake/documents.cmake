# SPDX-License-Identifier: Apache-2.0
#
# The manual page and the shells' completion, printed by the program itself, so that
# they are never of another version. A sanitizer's build makes none.

set(DOCUMENTS)

# Makes FILE of what `jflash ARGUMENTS...` prints.
function(jflash_prints FILE)
    set(output ${PROJECT_BINARY_DIR}/documents/${FILE})
    add_custom_command(OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/documents
        COMMAND jflash ${ARGN} > ${output}
        DEPENDS jflash cmake/manual.lua
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
        VERBATIM)
    set(DOCUMENTS ${DOCUMENTS} ${output} PARENT_SCOPE)
endfunction()

jflash_prints(jflash.1 run cmake/manual.lua)
jflash_prints(jflash.bash completion bash)
jflash_prints(_jflash completion zsh)
jflash_prints(jflash.fish completion fish)
add_custom_target(documents ALL DEPENDS ${DOCUMENTS})

set(documents ${PROJECT_BINARY_DIR}/documents)
install(FILES ${documents}/jflash.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${documents}/jflash.bash RENAME jflash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${documents}/_jflash DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${documents}/jflash.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
