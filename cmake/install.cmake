# find_package(ssm [COMPONENTS fftw io mpi]) and pkg-config; the target `uninstall` takes the last installation away.
include(CMakePackageConfigHelpers)
install(DIRECTORY include/ssm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
set(_place ${CMAKE_INSTALL_DATADIR}/cmake/ssm)
install(TARGETS ssm EXPORT ssm_targets)
install(EXPORT ssm_targets NAMESPACE ssm:: DESTINATION ${_place} FILE ssm-targets.cmake)
configure_package_config_file(cmake/ssm-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/ssm-config.cmake INSTALL_DESTINATION ${_place})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/ssm-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ssm-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/ssm-config-version.cmake
              cmake/FindFFTW.cmake cmake/FindXsimd.cmake DESTINATION ${_place})
if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -DMANIFEST=${PROJECT_BINARY_DIR}/install_manifest.txt
                                      -P ${PROJECT_SOURCE_DIR}/cmake/uninstall.cmake)
endif()
file(RELATIVE_PATH SSM_PC_TO_PREFIX /p/${CMAKE_INSTALL_DATADIR}/pkgconfig /p)
configure_file(cmake/ssm.pc.in ${CMAKE_CURRENT_BINARY_DIR}/ssm.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ssm.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
