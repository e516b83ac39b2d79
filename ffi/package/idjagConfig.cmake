# find_package(idjag): the targets idjag::idjag, which is shared, and idjag::static. Relative to this file, so that the whole
# folder can be moved.
get_filename_component(_idjag_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET idjag::idjag)
  add_library(idjag::idjag SHARED IMPORTED)
  set_target_properties(idjag::idjag PROPERTIES
    IMPORTED_LOCATION "${_idjag_prefix}/lib/libidjag.so"
    INTERFACE_INCLUDE_DIRECTORIES "${_idjag_prefix}/include")
endif()

if(NOT TARGET idjag::static)
  add_library(idjag::static STATIC IMPORTED)
  set_target_properties(idjag::static PROPERTIES
    IMPORTED_LOCATION "${_idjag_prefix}/lib/libidjag.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_idjag_prefix}/include"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m;gcc_s")
endif()

unset(_idjag_prefix)
