# `cmake --install`: the library (shared, so that its users need none of its dependencies), headers,
# the program with its modules, the default model, find_package and pkg-config files, manual page,
# shell completions.
include(CMakePackageConfigHelpers)

install(TARGETS sterna_shared EXPORT sterna-targets)
install(EXPORT sterna-targets NAMESPACE sterna::
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sterna)
foreach(module quant nn vision language predictor decoder models)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${module}/include/
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endforeach()

install(TARGETS sterna_tool)
set(modules sterna_index sterna_http)
if(TARGET sterna_opencv)
  list(APPEND modules sterna_opencv)
endif()
install(TARGETS ${modules} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/sterna)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/sterna-config.cmake.in
  ${PROJECT_BINARY_DIR}/sterna-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sterna)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sterna-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sterna-config.cmake
              ${PROJECT_BINARY_DIR}/sterna-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sterna)
# Relative to the file itself, so that an installed tree can be moved.
file(RELATIVE_PATH STERNA_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" STERNA_PC_TO_PREFIX ${STERNA_PC_TO_PREFIX})
configure_file(${CMAKE_CURRENT_LIST_DIR}/sterna.pc.in ${PROJECT_BINARY_DIR}/sterna.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sterna.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES ${PROJECT_SOURCE_DIR}/models/sterna-nano.gguf
        DESTINATION ${CMAKE_INSTALL_DATADIR}/sterna OPTIONAL)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
        DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
install(FILES ${PROJECT_SOURCE_DIR}/tools/bench/peers.py ${PROJECT_SOURCE_DIR}/tools/bench/peer_towers.py
        DESTINATION ${CMAKE_INSTALL_DATADIR}/sterna)
install(FILES ${PROJECT_SOURCE_DIR}/tools/sterna.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/tools/completions/sterna.bash RENAME sterna
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PROJECT_SOURCE_DIR}/tools/completions/_sterna
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PROJECT_SOURCE_DIR}/tools/completions/sterna.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
