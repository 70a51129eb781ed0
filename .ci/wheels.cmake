# For building against the ROS 2 wheels from PyPI in .venv (the Makefile passes this file to CMake).
# Two kinds of include directory would stop CMake, and are mended once all targets are known:
# those of the machine on which the wheels were built, which do not exist here, and NumPy's, which
# lies in .venv and so below the source tree, where an exported target must not point.

function(mend_include_directories)
  get_directory_property(imported IMPORTED_TARGETS)
  get_directory_property(built BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS imported built)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(mended "")
    foreach(directory IN LISTS directories)
      if(directory MATCHES "^${CMAKE_SOURCE_DIR}/[.]venv" AND target IN_LIST built)
        list(APPEND mended "$<BUILD_INTERFACE:${directory}>")
      elseif(NOT IS_ABSOLUTE "${directory}" OR EXISTS "${directory}")
        list(APPEND mended "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${mended}")
  endforeach()
endfunction()

cmake_language(DEFER CALL mend_include_directories)
