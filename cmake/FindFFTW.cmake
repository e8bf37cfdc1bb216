# FFTW 3 in float and double with its thread-safe planner: target FFTW::FFTW.
find_path(FFTW_INCLUDE_DIR fftw3.h)
set(_libraries)
foreach(_name fftw3 fftw3f fftw3_threads fftw3f_threads)
  find_library(FFTW_${_name}_LIBRARY ${_name})
  mark_as_advanced(FFTW_${_name}_LIBRARY)
  list(APPEND _libraries FFTW_${_name}_LIBRARY)
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(FFTW REQUIRED_VARS FFTW_INCLUDE_DIR ${_libraries})
mark_as_advanced(FFTW_INCLUDE_DIR)
if(FFTW_FOUND AND NOT TARGET FFTW::FFTW)
  add_library(FFTW::FFTW INTERFACE IMPORTED)
  set_target_properties(FFTW::FFTW PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${FFTW_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES
      "${FFTW_fftw3_threads_LIBRARY};${FFTW_fftw3f_threads_LIBRARY};${FFTW_fftw3_LIBRARY};${FFTW_fftw3f_LIBRARY}")
endif()
